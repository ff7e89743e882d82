import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { compactVerify, decodeProtectedHeader, SignJWT } from 'jose';
import { Strategy } from 'passport-jwt';
import { Clock } from '../../common/clock.provider.js';
import { tokenProblem } from '../../http/problem.js';
import type { Duration } from '../../config/setting-decorators.js';
import { Config } from '../../config/config.js';
import { rightsOf } from '../../permissions/permissions.js';
import type { Profile } from '../../users/profile.js';
import { SigningKeys } from './signing-keys.provider.js';
import type { Session } from '../sessions/session.entity.js';
import { ALGORITHM, secretKeyOf } from './secret-key.js';

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

/**
 * What tokens are made from: the same session gives the same claims, so that a lost answer can be given again. Signed by
 * HS256 and EdDSA they are the same bytes, too; ES256 never signs alike twice.
 */
type Issue = Pick<Session, 'id' | 'user_id' | 'token_id' | 'issued_at' | 'expires_at'>;

/** When a token ends; null: never. */
export const endOf = ({ exp }: { exp: number }): Date | null => (exp === FOREVER ? null : new Date(exp * 1000));

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** All that a header of ours holds: no critical extension, no key or address of a key gets in. */
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

/** Signs and reads the two kinds of token. */
@Injectable()
export class TokensService {
  /** Called directly: passport itself would keep it in a registry shared by the whole process. */
  private readonly strategy: Strategy;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly jwt: JwtService,
    private readonly keyring: SigningKeys,
  ) {
    this.strategy = new Strategy(
      {
        jwtFromRequest: (request: unknown) => (request as { token: string }).token,
        secretOrKey: secretKeyOf(config) as unknown as string, // a KeyObject made once: parsing a string costs more than verifying
        algorithms: [ALGORITHM],
        ignoreExpiration: true,
        jsonWebTokenOptions: { ignoreNotBefore: true },
      },
      (claims: unknown, done: (error: null, claims: unknown) => void) => done(null, claims || {}),
    );
  }

  identity(issue: Issue, user: Profile): Promise<SignedToken> {
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

  refresh(issue: Issue): Promise<SignedToken> {
    return this.sign({ kind: 'refresh', id_token: issue.token_id } as const, issue, this.config.REFRESH_TOKEN_TTL);
  }

  /**
   * The claims of a token that is ours and whole. Its times are not looked at. Raises `invalid_token`.
   */
  async read(token: string): Promise<Claims> {
    const claims = await this.verify(token);
    if (!isClaims(claims) || claims.iss !== this.config.issuer) throw tokenProblem('invalid_token');
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

  /** By the one key that the header names, and by that key's one algorithm; without a name, by SECRET_KEY. */
  private async verify(token: string): Promise<unknown> {
    const { alg, kid } = headerOf(token);
    if (alg === ALGORITHM && kid === undefined) return this.verifyBySecret(token);
    const key = this.keyring.find(kid);
    if (!key || key.published.alg !== alg) throw tokenProblem('invalid_token');
    try {
      const { payload } = await compactVerify(token, key.publicKey, { algorithms: [key.published.alg] });
      return JSON.parse(Buffer.from(payload).toString());
    } catch (error) {
      throw tokenProblem('invalid_token', error);
    }
  }

  private verifyBySecret(token: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const attempt = Object.assign(Object.create(this.strategy) as Strategy, {
        success: resolve,
        fail: (reason: unknown) => reject(tokenProblem('invalid_token', reason)),
        error: (reason: unknown) => reject(tokenProblem('invalid_token', reason)), // a body that is no object
      });
      attempt.authenticate({ token } as unknown as Parameters<Strategy['authenticate']>[0]);
    });
  }

  /** No token outlives its session. */
  private async sign(claims: object, issue: Issue, lifetime: Duration): Promise<SignedToken> {
    const iat = Math.floor(issue.issued_at.getTime() / 1000);
    const end = Math.min(iat + lifetime / 1000, (issue.expires_at?.getTime() ?? Infinity) / 1000);
    const exp = end === Infinity ? FOREVER : Math.floor(end);
    const body = { iss: this.config.issuer, iat, nbf: iat, exp, sub: issue.user_id, sid: issue.id, ...claims };
    return { token: await this.toToken(body), expires_at: endOf({ exp }) };
  }

  private toToken(body: Record<string, unknown>): string | Promise<string> {
    const { signing } = this.keyring;
    if (!signing) return this.jwt.sign(body);
    const { alg, kid } = signing.published;
    return new SignJWT(body).setProtectedHeader({ alg, typ: 'JWT', kid }).sign(signing.privateKey);
  }
}

/** Raises `invalid_token`. */
function headerOf(token: string): { alg?: unknown; kid?: unknown } {
  try {
    const header = decodeProtectedHeader(token);
    if (Object.keys(header).every((name) => HEADER_MEMBERS.has(name))) return header;
  } catch (error) {
    throw tokenProblem('invalid_token', error);
  }
  throw tokenProblem('invalid_token');
}

/** Whatever else a token signed with our key may be. */
function isClaims(value: unknown): value is Claims {
  const { kind, sid, sub, exp, nbf, ...rest } = (value ?? {}) as Partial<BaseClaims> & Record<string, unknown>;
  const tokenId = kind === 'identity' ? rest['jti'] : kind === 'refresh' ? rest['id_token'] : undefined;
  const hasIds = [sid, sub, tokenId].every((id) => typeof id === 'string' && UUID.test(id));
  return hasIds && Number.isSafeInteger(exp) && Number.isSafeInteger(nbf);
}
