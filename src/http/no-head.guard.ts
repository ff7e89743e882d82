import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Problem } from './problems/problem.js';

/**
 * Refuses HEAD on a route whose GET changes something, as clients of replaced systems expect: programs that look at links
 * send HEAD (RFC 9110, section 9.2.1). Throws `route_not_found`.
 */
@Injectable()
export class NoHeadGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (context.switchToHttp().getRequest<Request>().method === 'HEAD') throw new Problem('route_not_found');
    return true;
  }
}
