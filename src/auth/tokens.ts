import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { Jwt } from 'jsonwebtoken';
import { Strategy } from 'passport-jwt';
import { Clock } from '../common/clock.js';
import { tokenProblem } from '../common/problem.js';
import { Config, type Duration } from '../config.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Profile } from '../users/profile.js';
import type { Session } from './session.entity.js';
import { ALGORITHM, signingKey } from './signing-key.js';

/** The `exp` of a lifetime of "never": the last second that four-digit years can tell. Every token has an `exp`. */
const FOREVER = 253_402_300_799;

/** A signed token and when it ends; null: never. */
export interface SignedToken {
  token: string;
  expires_at: Date | null;
}

/** What the claims of both kinds have in common. `sid` is the session. */
interface BaseClaims {
  iss: string;
  iat: number;
  nbf: number;
  exp: number;
  sub: string;
  sid: string;
}

/** The manga site's identity token, claim for claim, with `kind`, `sub`, `sid` and `jti` beside. */
export interface IdentityClaims extends BaseClaims {
  kind: 'identity';
  jti: string;
  user: { uid: string; username: string; groups: string[]; permissions: Record<string, boolean> };
}

/** The manga site's refresh token: `id_token` is the id of the one identity token that it belongs to. */
export interface RefreshClaims extends BaseClaims {
  kind: 'refresh';
  id_token: string;
}

export type Claims = IdentityClaims | RefreshClaims;

/** What tokens are made from: the same session gives the same tokens, so that a lost answer can be given again. */
type Issue = Pick<Session, 'id' | 'user_id' | 'token_id' | 'issued_at' | 'expires_at'>;

/** When a token ends; null: never. */
export const endOf = ({ exp }: { exp: number }): Date | null => (exp === FOREVER ? null : new Date(exp * 1000));

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Signs and reads the two kinds of token. */
@Injectable()
export class Tokens {
  /** Called directly: passport itself would keep it in a registry shared by the whole process. */
  private readonly strategy: Strategy;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly jwt: JwtService,
  ) {
    this.strategy = new Strategy(
      {
        jwtFromRequest: (request: unknown) => (request as { token: string }).token,
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

  identity(issue: Issue, user: Profile): SignedToken {
    const claims = {
      kind: 'identity',
      jti: issue.token_id,
      user: {
        uid: user.id,
        username: user.username,
        groups: user.groups.map(({ name }) => name),
        permissions: rightsOf(user.groups).permissions,
      },
    } as const;
    return this.sign(claims, issue, this.config.IDENTITY_TOKEN_TTL);
  }

  refresh(issue: Issue): SignedToken {
    return this.sign({ kind: 'refresh', id_token: issue.token_id } as const, issue, this.config.REFRESH_TOKEN_TTL);
  }

  /**
   * The claims of a token that is ours and whole: passport-jwt checks signature, algorithm and issuer. Its times are not
   * looked at. Raises `invalid_token`.
   */
  async read(token: string): Promise<Claims> {
    const claims = await this.verify(token);
    if (!isClaims(claims)) throw tokenProblem('invalid_token');
    return claims;
  }

  /** As `read`, at a time at which the token is good. Raises `token_expired`, too. */
  async readCurrent<K extends Claims['kind']>(token: string, kind: K): Promise<Extract<Claims, { kind: K }>> {
    const claims = await this.read(token);
    const now = this.clock.seconds();
    if (claims.kind !== kind || claims.nbf > now) throw tokenProblem('invalid_token');
    if (claims.exp <= now) throw tokenProblem('token_expired');
    return claims as Extract<Claims, { kind: K }>;
  }

  private verify(token: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const attempt = Object.assign(Object.create(this.strategy) as Strategy, {
        success: resolve,
        fail: (reason: unknown) => reject(tokenProblem('invalid_token', reason)),
        error: reject,
      });
      attempt.authenticate({ token } as unknown as Parameters<Strategy['authenticate']>[0]);
    });
  }

  /** No token outlives its session. */
  private sign(claims: object, { id, user_id, issued_at, expires_at }: Issue, lifetime: Duration): SignedToken {
    const iat = Math.floor(issued_at.getTime() / 1000);
    const end = Math.min(iat + lifetime / 1000, (expires_at?.getTime() ?? Infinity) / 1000);
    const exp = end === Infinity ? FOREVER : Math.floor(end);
    const token = this.jwt.sign({ iss: this.config.issuer, iat, nbf: iat, exp, sub: user_id, sid: id, ...claims });
    return { token, expires_at: endOf({ exp }) };
  }
}

/** Whatever else a token signed with our key may be. */
function isClaims(value: unknown): value is Claims {
  const { kind, sid, sub, exp, nbf, ...rest } = value as Partial<BaseClaims> & Record<string, unknown>;
  const tokenId = kind === 'identity' ? rest['jti'] : kind === 'refresh' ? rest['id_token'] : undefined;
  const hasIds = [sid, sub, tokenId].every((id) => typeof id === 'string' && UUID.test(id));
  return hasIds && Number.isSafeInteger(exp) && Number.isSafeInteger(nbf);
}
