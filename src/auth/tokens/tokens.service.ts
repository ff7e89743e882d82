import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import type { Duration } from '../../config/setting-decorators.js';
import { tokenProblem } from '../../http/problems/problem.js';
import { type PermissionFlags, rightsOf } from '../../permissions/permissions.js';
import type { Profile } from '../../users/profile.js';
import type { CompatSystem } from '../../config/compat-systems.js';
import { groupClaims } from './group-claims.js';
import { type Claims, EXP_NEVER, expiryOf, isClaims } from './token-claims.js';

/** A signed token and its expiry; null: never. */
export interface SignedToken {
  token: string;
  expires_at: Date | null;
}

/** The session columns that tokens are made from: signing again gives the same claims. */
interface TokenSource {
  id: string;
  user_id: string;
  token_id: string;
  issued_at: Date;
  expires_at: Date | null;
  compat_system: CompatSystem | null;
}

/** Accepted difference between the clocks of two nodes: a token that one node has just signed is valid on the other. */
const CLOCK_TOLERANCE_SECONDS = 60;

/** Signs and verifies identity and refresh tokens. */
@Injectable()
export class TokensService {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly jwt: JwtService,
  ) {}

  /** Signs the identity token of a session, with the rights that the user has now. */
  signIdentityToken(
    session: TokenSource,
    user: Profile,
    permissions: PermissionFlags = rightsOf(user.groups).permissions,
  ): SignedToken {
    const groups = groupClaims(
      user.groups.map(({ name }) => name),
      session.compat_system,
    );
    const claims = {
      kind: 'identity',
      jti: session.token_id,
      id: user.id,
      username: user.username,
      user: { uid: user.id, username: user.username, ...groups, permissions },
    };
    return this.sign(session, claims, this.config.identityLifetime(session.compat_system));
  }

  /** Signs the refresh token that belongs to the newest identity token of a session. */
  signRefreshToken(session: TokenSource): SignedToken {
    return this.sign(session, { kind: 'refresh', id_token: session.token_id }, this.config.REFRESH_TOKEN_TTL);
  }

  /** When the newest refresh token of a session expires; null: never. */
  refreshTokenExpiry(session: TokenSource): Date | null {
    return expiryOf({ exp: expOf(session, this.config.REFRESH_TOKEN_TTL) });
  }

  /** Verifies signature, issuer and claims of a token, but not its times. Throws `invalid_token`. */
  verify(token: string): Claims {
    let payload: unknown;
    try {
      payload = this.jwt.verify(token);
    } catch (error) {
      throw tokenProblem('invalid_token', error);
    }
    return this.checkClaims(payload);
  }

  /** The claims of a token, or null if `verify` would throw. */
  find(token: string): Claims | null {
    try {
      return this.verify(token);
    } catch {
      return null;
    }
  }

  /** Verifies a token of one kind, its times included. Throws `invalid_token`, `token_expired`. */
  verifyCurrent<K extends Claims['kind']>(token: string, kind: K): Extract<Claims, { kind: K }> {
    return this.checkCurrentClaims(this.verify(token), kind);
  }

  /** The claims of those tokens of one kind that `verifyCurrent` accepts. */
  findAllCurrent<K extends Claims['kind']>(tokens: string[], kind: K): Extract<Claims, { kind: K }>[] {
    return tokens.flatMap((token) => {
      try {
        return [this.verifyCurrent(token, kind)];
      } catch {
        return [];
      }
    });
  }

  /** Checks the verified payload of a token of one kind, its times included. Throws `invalid_token`, `token_expired`. */
  checkCurrentClaims<K extends Claims['kind']>(payload: unknown, kind: K): Extract<Claims, { kind: K }> {
    const claims = this.checkClaims(payload);
    const now = this.clock.seconds();
    if (claims.kind !== kind || claims.nbf > now + CLOCK_TOLERANCE_SECONDS) throw tokenProblem('invalid_token');
    if (claims.exp <= now) throw tokenProblem('token_expired');
    return claims as Extract<Claims, { kind: K }>;
  }

  private checkClaims(payload: unknown): Claims {
    if (!isClaims(payload) || payload.iss !== this.config.issuer) throw tokenProblem('invalid_token');
    return payload;
  }

  private sign(session: TokenSource, claims: object, lifetime: Duration): SignedToken {
    const { id: sid, user_id: sub, issued_at } = session;
    const iat = secondsOf(issued_at);
    const exp = expOf(session, lifetime);
    const token = this.jwt.sign({ iss: this.config.issuer, iat, nbf: iat, exp, sub, sid, ...claims });
    return { token, expires_at: expiryOf({ exp }) };
  }
}

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);

/** The `exp` of a token that is issued now: no token outlives its session. */
function expOf({ issued_at, expires_at }: TokenSource, lifetime: Duration): number {
  const end = Math.min(secondsOf(issued_at) + lifetime / 1000, (expires_at?.getTime() ?? Infinity) / 1000);
  return end === Infinity ? EXP_NEVER : Math.floor(end);
}
