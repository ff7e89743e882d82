import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { isTokenProblem, Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { kanjikuTokens } from './kanjiku-cookies.js';
import { KanjikuError } from './message-keys.js';

/**
 * Authenticates a request of the manga site by its cookie `IdentityToken`, whatever the method: OriginGuard has refused
 * changes from other sites. No other cookie and no header counts. Throws `errors.no_session`, `errors.session_expired`.
 */
@Injectable()
export class KanjikuSessionGuard implements CanActivate {
  constructor(private readonly authenticator: AuthenticatorService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request & { user: Caller }>();
    const { identity } = kanjikuTokens(request.headers);
    const { caller } = await this.authenticator.authenticateFirst(identity).catch((error: unknown) => {
      if (!(error instanceof Problem && isTokenProblem(error.code))) throw error;
      throw new KanjikuError(error.code === 'token_expired' ? 'errors.session_expired' : 'errors.no_session');
    });
    request.user = caller;
    return true;
  }
}
