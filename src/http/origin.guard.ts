import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Config } from '../config/config.js';
import { isForeignOrigin } from './origin.js';
import { Problem } from './problems/problem.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether a method may change something (RFC 9110, section 9.2.1). */
export const isUnsafe = (method: string): boolean => !SAFE_METHODS.has(method);

/**
 * Refuses changes that a page of another site sends. CORS alone does not: browsers send simple requests (forms, text)
 * first and only hide the answer. Runs before rate limits, which count for the network of the page's visitor. Throws
 * `foreign_origin`.
 */
@Injectable()
export class OriginGuard implements CanActivate {
  constructor(private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<Request>();
    if (isUnsafe(request.method) && isForeignOrigin(request, this.config)) throw new Problem('foreign_origin');
    return true;
  }
}
