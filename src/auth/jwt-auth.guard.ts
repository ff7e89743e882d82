import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard, AuthModuleOptions } from '@nestjs/passport';
import type { Request } from 'express';
import { isUnsafe } from '../http/origin.guard.js';
import { Problem, tokenProblem } from '../http/problems/problem.js';
import { Access } from '../permissions/access.decorators.js';
import { CHANGE_QUOTA } from '../rate-limit/quotas.js';
import { QuotasService } from '../rate-limit/quotas.service.js';
import { SkipChangeLimit } from '../rate-limit/rate-limit.decorator.js';
import type { Caller } from '../users/caller.js';
import { AuthenticatorService } from './authenticator.service.js';
import { identityTokens } from './tokens/request-tokens.js';

/** Runs before every HTTP route and is closed by default: a route without an access decorator needs a valid token. */
@Injectable()
export class JwtAuthGuard extends AuthGuard() {
  constructor(
    options: AuthModuleOptions,
    private readonly reflector: Reflector,
    private readonly authenticator: AuthenticatorService,
    private readonly quotas: QuotasService,
  ) {
    super(options);
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // WebSockets are authenticated when they connect
    const required = this.reflector.getAllAndOverride(Access, [context.getHandler(), context.getClass()]) ?? [];
    if (required === 'public') return true;
    const request = context.switchToHttp().getRequest<Request & { user: Caller }>();
    // passport-jwt reads one token; a browser may send several cookies, of which any may be the valid one.
    if (identityTokens(request).length > 1) request.user = await this.authenticator.authenticate(request);
    else await super.canActivate(context);
    const { user } = request;
    const missing = required.filter((permission) => !user.permissions[permission]);
    if (missing.length > 0)
      throw new Problem('forbidden', { detail: `This needs the permission ${missing.join(', ')}.` });
    // Holders of a permission, such as moderators, may work without this limit.
    const isLimited = required.length === 0 && isUnsafe(request.method);
    if (isLimited && !this.reflector.get(SkipChangeLimit, context.getHandler()))
      await this.quotas.reserve(CHANGE_QUOTA, user.id);
    return true;
  }

  /** Called by Passport: `error` was thrown by the strategy, `reason` is why it refused the token. */
  override handleRequest<T>(error: unknown, caller: T | false, reason: unknown): T {
    if (error) throw error;
    if (!caller) throw tokenProblem('invalid_token', reason);
    return caller;
  }
}
