import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { Problem } from './problem.js';

/** Marks a route (or all routes of a controller) that reads multipart/form-data. */
export const AcceptsMultipart = Reflector.createDecorator<true>();

/**
 * Refuses multipart/form-data on routes that are not marked with `@AcceptsMultipart(true)`: the body parser leaves forms
 * unread. Throws `unsupported_media_type`.
 */
@Injectable()
export class MultipartGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http' || !isMultipart(context.switchToHttp().getRequest<Request>())) return true;
    if (this.reflector.getAllAndOverride(AcceptsMultipart, [context.getHandler(), context.getClass()])) return true;
    throw new Problem('unsupported_media_type');
  }
}

/** Whether the request has a body of type multipart/form-data. */
export const isMultipart = (request: Request): boolean => Boolean(request.is('multipart/form-data'));
