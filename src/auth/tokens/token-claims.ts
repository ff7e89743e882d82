import type { GroupClaims } from './group-claims.js';

/** Claims that identity and refresh tokens share. Times are in unix seconds; `sid` is the id of the session. */
interface BaseClaims {
  iss: string;
  iat: number;
  nbf: number;
  exp: number;
  sub: string;
  sid: string;
}

/**
 * Claims of an identity token: those of the manga site's document (`user`), of the chat app's (`username`) and of the
 * vaccine registration's (`id`), and `kind`, `sub`, `sid` and `jti`. Machi itself reads neither `username` nor `id`, which
 * tokens of 0.1.0 lack.
 */
export interface IdentityClaims extends BaseClaims {
  kind: 'identity';
  jti: string;
  id: string;
  username: string;
  user: { uid: string; username: string; permissions: Record<string, boolean> } & GroupClaims;
}

/** Claims of a refresh token. `id_token` is the `jti` of the one identity token that it belongs to. */
export interface RefreshClaims extends BaseClaims {
  kind: 'refresh';
  id_token: string;
}

export type Claims = IdentityClaims | RefreshClaims;

/** The `exp` of tokens with the lifetime `never`: 9999-12-31T23:59:59Z. Every token has an `exp`. */
export const EXP_NEVER = 253_402_300_799;

/** When a token expires; null: never. */
export const expiryOf = ({ exp }: { exp: number }): Date | null => (exp === EXP_NEVER ? null : new Date(exp * 1000));

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Type guard for the claims of identity and refresh tokens. The issuer and the times are not compared. */
export function isClaims(value: unknown): value is Claims {
  const { kind, sid, sub, exp, nbf, ...rest } = (value ?? {}) as Partial<BaseClaims> & Record<string, unknown>;
  const tokenId = kind === 'identity' ? rest['jti'] : kind === 'refresh' ? rest['id_token'] : undefined;
  const hasIds = [sid, sub, tokenId].every((id) => typeof id === 'string' && UUID.test(id));
  return hasIds && Number.isSafeInteger(exp) && Number.isSafeInteger(nbf);
}
