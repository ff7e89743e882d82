import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Pool } from 'pg';
import { POOL } from '../database/pool.js';
import { tokenProblem } from '../http/problem.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Caller } from '../users/caller.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from '../users/profile.js';
import { identityToken } from './tokens/request-tokens.js';
import type { IdentityClaims } from './tokens/token-claims.js';
import { TokensService } from './tokens/tokens.service.js';

/** Authenticates a request: session, user and rights in one query by primary keys. */
export const AUTHENTICATE = {
  name: 'authenticate',
  text: `select s.id as session_id, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = $1 and u.is_active`,
};

/** Finds the caller of verified tokens, and authenticates requests that do not pass the guard. */
@Injectable()
export class AuthenticatorService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly tokens: TokensService,
  ) {}

  /** Authenticates a request. Throws `token_required`, `invalid_token`, `token_expired`. */
  async authenticate(request: IncomingMessage): Promise<Caller> {
    return this.getCaller(this.verify(request));
  }

  /** Verifies the identity token of a request, without reading its session. Throws as `authenticate` does. */
  verify(request: IncomingMessage): IdentityClaims {
    return this.tokens.verifyCurrent(identityToken(request), 'identity');
  }

  /** The user of a session and their rights, read from the database now. Throws `invalid_token`. */
  async getCaller({ sid, sub }: Pick<IdentityClaims, 'sid' | 'sub'>): Promise<Caller> {
    type Row = Profile & { session_id: string };
    const { rows } = await this.pool.query<Row>({ ...AUTHENTICATE, values: [sid] });
    if (rows[0]?.id !== sub) throw tokenProblem('invalid_token');
    const { session_id, ...profile } = rows[0];
    return { id: profile.id, session_id, profile, ...rightsOf(profile.groups) };
  }
}
