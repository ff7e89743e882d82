import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { isMultipart } from './body.guard.js';
import { Problem } from '../problems/problem.js';

/** Refuses bodies of other types than multipart/form-data, such as JSON. Throws `form_expected`. */
@Injectable()
export class FormOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    if (request.headers['content-type'] === undefined || isMultipart(request)) return true;
    throw new Problem('form_expected');
  }
}
