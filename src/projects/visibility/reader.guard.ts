import { applyDecorators, type CanActivate, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiSecurity } from '@nestjs/swagger';
import type { Request } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { hasBearer, presentedTokens } from '../../auth/tokens/request-tokens.js';
import { Config } from '../../config/config.js';
import { isTokenProblem, Problem, tokenProblem } from '../../http/problems/problem.js';
import { Public } from '../../permissions/access.decorators.js';
import type { Caller } from '../../users/caller.js';
import { FeedTokensService, isFeedToken } from '../feed-tokens/feed-tokens.service.js';
import { type Reader, readerOf } from './reader.js';

/**
 * Authenticates readers: by an identity token, or by a feed token as the password of Basic authentication, which comic
 * readers send. Readers without either pass, unless `ANONYMOUS_READING` is off. A cookie that is not valid counts as absent,
 * since browsers send it with every request. Throws `token_required`, `invalid_token`, `token_expired`.
 */
@Injectable()
export class ReaderGuard implements CanActivate {
  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly feedTokens: FeedTokensService,
    private readonly config: Config,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request & { user?: Caller; reader?: Reader }>();
    try {
      request.reader = await this.findReader(request);
    } catch (error) {
      // Elsewhere, browsers would show a dialogue for a password.
      const isCatalogue = request.path.startsWith('/api/opds');
      throw isCatalogue && error instanceof Problem && isTokenProblem(error.code) ? withBasicChallenge(error) : error;
    }
    return true;
  }

  private async findReader(request: Request & { user?: Caller }): Promise<Reader> {
    const feedToken = feedTokenOf(request);
    if (feedToken !== undefined) {
      const user = await this.feedTokens.findUser(feedToken);
      if (!user) throw tokenProblem('invalid_token');
      return readerOf(user);
    }
    const isRequired = this.config.ANONYMOUS_READING === 'off' || hasBearer(request.headers);
    if (!isRequired && presentedTokens(request).length === 0) return readerOf(undefined);
    try {
      request.user = await this.authenticator.authenticate(request);
    } catch (error) {
      if (isRequired || !(error instanceof Problem && isTokenProblem(error.code))) throw error;
    }
    return readerOf(request.user);
  }
}

/** The password of Basic credentials (RFC 7617), if it is a feed token; other passwords are for a proxy before us. */
function feedTokenOf({ headers }: Request): string | undefined {
  const credentials = /^Basic ([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(headers.authorization ?? '')?.[1];
  if (credentials === undefined) return undefined;
  const text = Buffer.from(credentials, 'base64').toString();
  const password = text.slice(text.indexOf(':') + 1);
  return isFeedToken(password) ? password : undefined;
}

/** Comic readers ask for a user name and a password when the answer has this challenge. */
export function withBasicChallenge(problem: Problem): Problem {
  problem.headers['www-authenticate'] += ', Basic realm="Machi", charset="UTF-8"';
  return problem;
}

/** Anyone may read this route; what a reader sees depends on their rights. Take the reader with `@CurrentReader()`. */
export const OpenToReaders = (): MethodDecorator =>
  applyDecorators(Public(), UseGuards(ReaderGuard), ApiSecurity({}), ApiBearerAuth());
