import { decodeJwt } from 'jose';

/** Browsers keep a cookie for 400 days at most (RFC 6265bis, section 5.5). */
const MAX_SECONDS = 400 * 24 * 3600;

/** The `Max-Age` of a cookie with this token: its lifetime, not what is left of it when the response is made. */
export function maxAgeOf(token: string): number {
  const { iat = 0, exp = 0 } = decodeJwt(token);
  return Math.min(exp - iat, MAX_SECONDS);
}
