import { Injectable } from '@nestjs/common';
import type { Jwt } from 'jsonwebtoken';
import type { IncomingMessage } from 'node:http';
import { Strategy } from 'passport-jwt';
import { Clock } from '../common/clock.js';
import { tokenProblem } from '../common/problem.js';
import { Config } from '../config.js';
import type { CurrentUser } from '../users/current-user.js';
import { SessionsService } from './sessions.service.js';
import { ALGORITHM, signingKey } from './signing-key.js';
import type { IdentityClaims } from './tokens.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** RFC 6750, section 2.1, and nothing around it. */
const bearerToken = ({ headers }: { headers: IncomingMessage['headers'] }): string | null =>
  /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;

/** Whatever else a token signed with our key may be. */
function isIdentity(claims: unknown): claims is IdentityClaims {
  const { kind, sid, sub, exp, nbf } = (claims ?? {}) as Partial<IdentityClaims>;
  const hasIds = [sid, sub].every((id) => typeof id === 'string' && UUID.test(id));
  return kind === 'identity' && hasIds && Number.isSafeInteger(exp) && Number.isSafeInteger(nbf);
}

/**
 * Tells who sends a request. passport-jwt checks signature, algorithm and issuer; times are checked here, by our own
 * clock. The strategy is called directly: passport itself would keep it in a registry shared by the whole process.
 */
@Injectable()
export class Authenticator {
  private readonly strategy: Strategy;

  constructor(
    config: Config,
    private readonly clock: Clock,
    private readonly sessions: SessionsService,
  ) {
    this.strategy = new Strategy(
      {
        jwtFromRequest: bearerToken,
        secretOrKey: signingKey(config) as unknown as string, // a KeyObject made once: parsing a string costs more than verifying
        algorithms: [ALGORITHM],
        issuer: config.issuer,
        ignoreExpiration: true,
        jsonWebTokenOptions: { ignoreNotBefore: true, complete: true },
      },
      ({ header, payload }: Jwt, done: (error: Error | null, claims?: unknown) => void) =>
        'crit' in header ? done(tokenProblem('invalid_token')) : done(null, payload || {}), // RFC 7515, section 4.1.11
    );
  }

  /** The caller, as of now. Raises `token_required`, `invalid_token`, `token_expired`. */
  async authenticate(request: IncomingMessage): Promise<CurrentUser> {
    const claims = await this.verify(request);
    const now = this.clock.seconds();
    if (!isIdentity(claims) || claims.nbf > now) throw tokenProblem('invalid_token');
    if (claims.exp <= now) throw tokenProblem('token_expired');
    const user = await this.sessions.authenticate(claims.sid);
    if (user?.id !== claims.sub) throw tokenProblem('invalid_token');
    return user;
  }

  private verify(request: IncomingMessage): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const code = request.headers.authorization === undefined ? 'token_required' : 'invalid_token';
      const attempt = Object.assign(Object.create(this.strategy) as Strategy, {
        success: resolve,
        fail: (reason: unknown) => reject(tokenProblem(code, reason)),
        error: reject,
      });
      attempt.authenticate(request as Parameters<Strategy['authenticate']>[0]);
    });
  }
}
