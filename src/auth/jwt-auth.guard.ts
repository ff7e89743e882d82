import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { Problem } from '../http/problem.js';
import { Access } from '../permissions/access.decorators.js';
import type { Caller } from '../users/caller.js';
import { AuthenticatorService } from './authenticator.service.js';

/** Global and closed by default: a route that declares nothing still needs a valid token. */
@Injectable()
export class JwtAuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: AuthenticatorService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets authenticate when they connect
    const needed = this.reflector.getAllAndOverride(Access, [context.getHandler(), context.getClass()]) ?? [];
    if (needed === 'public') return true;
    const request = context.switchToHttp().getRequest<Request & { user: Caller }>();
    const user = (request.user = await this.authenticator.authenticate(request));
    const missing = needed.filter((permission) => !user.permissions[permission]);
    if (missing.length === 0) return true;
    throw new Problem('forbidden', { detail: `This needs the permission ${missing.join(', ')}.` });
  }
}
