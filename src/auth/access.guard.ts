import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { Request } from 'express';
import { Problem, tokenProblem } from '../common/problem.js';
import { Access } from '../permissions/access.js';
import type { CurrentUser } from '../users/current-user.js';

/** Global and closed by default: a route that declares nothing still needs a valid token. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(private readonly reflector: Reflector) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets authenticate when they connect
    const access = this.reflector.getAllAndOverride(Access, [context.getHandler(), context.getClass()]) ?? [];
    if (access === 'public') return true;
    await super.canActivate(context);
    const { user } = context.switchToHttp().getRequest<Request & { user: CurrentUser }>();
    const missing = access.filter((permission) => !user.permissions[permission]);
    if (missing.length > 0) throw new Problem('forbidden', { detail: `This needs the permission ${missing.join(', ')}.` });
    return true;
  }

  override handleRequest<T>(error: unknown, user: T | false, info: unknown, context: ExecutionContext): T {
    if (error) throw error;
    if (user) return user;
    const { authorization } = context.switchToHttp().getRequest<Request>().headers;
    throw tokenProblem(authorization === undefined ? 'token_required' : 'invalid_token', info);
  }
}
