import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Pool } from 'pg';
import type { BatchedQuery } from '../database/statements/batched-query.js';
import { POOL } from '../database/connections/pool.js';
import { isTokenProblem, Problem, tokenProblem } from '../http/problems/problem.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Caller } from '../users/caller.js';
import { querySessionProfiles, type SessionProfile } from './session-profiles.js';
import { identityTokens } from './tokens/request-tokens.js';
import type { IdentityClaims } from './tokens/token-claims.js';
import { TokensService } from './tokens/tokens.service.js';

/** A verified identity token and its caller. */
interface AuthenticatedToken {
  caller: Caller;
  claims: IdentityClaims;
}

/** Finds the caller of verified tokens, and authenticates requests that do not pass the guard. */
@Injectable()
export class AuthenticatorService {
  private readonly sessionProfiles: BatchedQuery<SessionProfile>;

  constructor(
    @Inject(POOL) pool: Pool,
    private readonly tokens: TokensService,
  ) {
    this.sessionProfiles = querySessionProfiles(pool);
  }

  /** The caller of a request. Throws `token_required`, `invalid_token`, `token_expired`. */
  async authenticate(request: IncomingMessage): Promise<Caller> {
    return (await this.authenticateToken(request)).caller;
  }

  /**
   * The caller of a request with the claims of the token. `onVerified` is called before a session is read. Throws as
   * `authenticate` does; about several tokens, for the first one.
   */
  authenticateToken(
    request: IncomingMessage,
    onVerified?: (claims: IdentityClaims) => void,
  ): Promise<AuthenticatedToken> {
    return this.authenticateFirst(identityTokens(request), onVerified);
  }

  /**
   * The caller of the first of these tokens that is valid and has a live session. Throws `token_required` if there is none;
   * else `invalid_token` or `token_expired`, about the first one.
   */
  async authenticateFirst(
    tokens: readonly string[],
    onVerified?: (claims: IdentityClaims) => void,
  ): Promise<AuthenticatedToken> {
    let refusal: Problem | undefined;
    for (const token of tokens) {
      try {
        const claims = this.tokens.verifyCurrent(token, 'identity');
        onVerified?.(claims);
        return { caller: await this.getCaller(claims), claims };
      } catch (error) {
        if (!(error instanceof Problem && isTokenProblem(error.code))) throw error;
        refusal ??= error;
      }
    }
    throw refusal ?? tokenProblem('token_required');
  }

  /** The user of a session and their rights, read from the database now. Throws `invalid_token`. */
  async getCaller(claims: Pick<IdentityClaims, 'sid' | 'sub'>): Promise<Caller> {
    const caller = await this.findCaller(claims);
    if (!caller) throw tokenProblem('invalid_token');
    return caller;
  }

  /** As `getCaller`; null when the session has ended. */
  async findCaller({ sid, sub }: Pick<IdentityClaims, 'sid' | 'sub'>): Promise<Caller | null> {
    const row = await this.sessionProfiles.find(sid);
    if (row?.id !== sub) return null;
    const { session_id, ...profile } = row;
    return { id: profile.id, session_id, profile, ...rightsOf(profile.groups) };
  }
}
