import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { hasBearer, presentedTokens } from '../../auth/tokens/request-tokens.js';
import { Config } from '../../config/config.js';
import { isTokenProblem, Problem, tokenProblem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { FeedTokensService, isFeedToken } from '../feed-tokens/feed-tokens.service.js';
import { type Reader, readerOf } from './reader.js';

/**
 * Finds the reader of a request: by an identity token, or by a feed token as the password of Basic authentication, which
 * comic readers send. Readers without either pass, unless `ANONYMOUS_READING` is off. A cookie that is not valid counts as
 * absent, since browsers send it with every request.
 */
@Injectable()
export class ReaderAuthenticatorService {
  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly feedTokens: FeedTokensService,
    private readonly config: Config,
  ) {}

  /** Sets `user` of the request for its log line. Throws `token_required`, `invalid_token`, `token_expired`. */
  async authenticate(request: IncomingMessage): Promise<Reader> {
    const feedToken = feedTokenOf(request);
    if (feedToken !== undefined) {
      const user = await this.feedTokens.findUser(feedToken);
      if (!user) throw tokenProblem('invalid_token');
      return readerOf(user);
    }
    const isRequired = this.config.ANONYMOUS_READING === 'off' || hasBearer(request.headers);
    if (!isRequired && presentedTokens(request).length === 0) return readerOf(undefined);
    try {
      const caller = await this.authenticator.authenticate(request);
      (request as IncomingMessage & { user?: Caller }).user = caller;
      return readerOf(caller);
    } catch (error) {
      if (isRequired || !(error instanceof Problem && isTokenProblem(error.code))) throw error;
      return readerOf(undefined);
    }
  }
}

/** The password of Basic credentials (RFC 7617), if it is a feed token; other passwords are for a proxy before us. */
function feedTokenOf({ headers }: IncomingMessage): string | undefined {
  const credentials = /^Basic ([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(headers.authorization ?? '')?.[1];
  if (credentials === undefined) return undefined;
  const text = Buffer.from(credentials, 'base64').toString();
  const password = text.slice(text.indexOf(':') + 1);
  return isFeedToken(password) ? password : undefined;
}
