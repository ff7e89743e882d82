import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Clock } from '../common/clock.js';
import { Config, type Duration } from '../config.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Profile } from '../users/profile.js';

/** The `exp` of a lifetime of "never": the last second that four-digit years can tell. Every token has an `exp`. */
const FOREVER = 253_402_300_799;

/** A signed token and when it ends; null: never. */
export interface SignedToken {
  token: string;
  expires_at: Date | null;
}

/** What the claims of both kinds have in common. `sid` is the session, `jti` the token. */
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

/** Signs the two kinds of token. */
@Injectable()
export class Tokens {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly jwt: JwtService,
  ) {}

  identity(session: { id: string; token_id: string }, user: Profile): SignedToken {
    const claims = {
      kind: 'identity',
      jti: session.token_id,
      sid: session.id,
      sub: user.id,
      user: {
        uid: user.id,
        username: user.username,
        groups: user.groups.map(({ name }) => name),
        permissions: rightsOf(user.groups).permissions,
      },
    } as const;
    return this.sign(claims, this.config.IDENTITY_TOKEN_TTL);
  }

  refresh(session: { id: string; token_id: string; user_id: string }): SignedToken {
    const claims = { kind: 'refresh', id_token: session.token_id, sid: session.id, sub: session.user_id } as const;
    return this.sign(claims, this.config.REFRESH_TOKEN_TTL);
  }

  private sign(claims: object, lifetime: Duration): SignedToken {
    const iat = this.clock.seconds();
    const exp = lifetime === Infinity ? FOREVER : iat + Math.round(lifetime / 1000);
    const token = this.jwt.sign({ iss: this.config.issuer, iat, nbf: iat, exp, ...claims });
    return { token, expires_at: exp === FOREVER ? null : new Date(exp * 1000) };
  }
}
