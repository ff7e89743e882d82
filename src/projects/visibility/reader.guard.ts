import { applyDecorators, type CanActivate, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiSecurity } from '@nestjs/swagger';
import type { Request } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { hasBearer, presentedTokens } from '../../auth/tokens/request-tokens.js';
import { Config } from '../../config/config.js';
import { isTokenProblem, Problem } from '../../http/problems/problem.js';
import { Public } from '../../permissions/access.decorators.js';
import type { Caller } from '../../users/caller.js';

/**
 * Authenticates readers who send a token. Readers without one pass, unless `ANONYMOUS_READING` is off. A cookie that is not
 * valid counts as absent, since browsers send it with every request. Throws `token_required`, `invalid_token`,
 * `token_expired`.
 */
@Injectable()
export class ReaderGuard implements CanActivate {
  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly config: Config,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request & { user?: Caller }>();
    const isRequired = this.config.ANONYMOUS_READING === 'off' || hasBearer(request.headers);
    if (!isRequired && presentedTokens(request).length === 0) return true;
    try {
      request.user = await this.authenticator.authenticate(request);
    } catch (error) {
      if (isRequired || !(error instanceof Problem && isTokenProblem(error.code))) throw error;
    }
    return true;
  }
}

/** Anyone may read this route; what a reader sees depends on their rights. Take the reader with `@CurrentReader()`. */
export const OpenToReaders = (): MethodDecorator =>
  applyDecorators(Public(), UseGuards(ReaderGuard), ApiSecurity({}), ApiBearerAuth());
