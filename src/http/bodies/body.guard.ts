import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { bodyProblemOf, hasBody } from './json-body.middleware.js';
import { Problem } from '../problems/problem.js';

/**
 * Declares bodies besides JSON that a route (or all routes of a controller) reads in an interceptor: multipart/form-data,
 * or any body. With `any`, the interceptor also reports the problems of JSON bodies.
 */
export const AcceptsBody = Reflector.createDecorator<'multipart' | 'any'>();

/**
 * Refuses bodies that the route does not accept, and JSON bodies that could not be parsed. Throws
 * `unsupported_media_type` and the problems of jsonParser.
 */
@Injectable()
export class BodyGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<Request>();
    if (!hasBody(request)) return true;
    const accepted = this.reflector.getAllAndOverride(AcceptsBody, [context.getHandler(), context.getClass()]);
    if (accepted === 'any') return true;
    const problem = bodyProblemOf(request);
    if (problem) throw problem;
    const isParsed = request.body !== undefined;
    if (isParsed || (accepted === 'multipart' && isMultipart(request))) return true;
    throw new Problem('unsupported_media_type');
  }
}

/** Whether the request has a body of type multipart/form-data. */
export const isMultipart = (request: Request): boolean => Boolean(request.is('multipart/form-data'));
