import { parseCookie } from 'cookie';
import type { IncomingMessage } from 'node:http';
import { tokenProblem } from '../../http/problem.js';

/** The cookie that holds an identity token. */
export const IDENTITY_COOKIE = 'login-token';

/** Anchored, so that it takes linear time on any header. */
const BEARER = /^Bearer (\S+)$/i;

/** The Bearer credentials of a request, in any format (RFC 6750, section 2.1). Throws `token_required`, `invalid_token`. */
export function bearerCredentials({ headers }: Pick<IncomingMessage, 'headers'>): string {
  if (headers.authorization === undefined) throw tokenProblem('token_required');
  const token = BEARER.exec(headers.authorization)?.[1];
  if (token === undefined) throw tokenProblem('invalid_token');
  return token;
}

/** The Bearer token of a request, in the format of a signed JWT. Throws `token_required`, `invalid_token`. */
export function bearerToken(request: Pick<IncomingMessage, 'headers'>): string {
  const token = bearerCredentials(request);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw tokenProblem('invalid_token');
  return token;
}

/**
 * The identity token of a request: from the Authorization header, or from the cookie for GET, HEAD and the WebSocket
 * upgrade. Browsers send cookies with cross-site requests, so a cookie must not authenticate a change. Throws
 * `token_required`, `invalid_token`.
 */
export function identityToken(request: Pick<IncomingMessage, 'headers' | 'method'>): string {
  const { headers, method } = request;
  const isSafe = method === 'GET' || method === 'HEAD';
  const cookie = isSafe && headers.authorization === undefined ? cookieToken(headers) : undefined;
  return cookie ?? bearerToken(request);
}

/** The token that a request sends by header or cookie, unverified. */
export function presentedToken({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  return BEARER.exec(headers.authorization ?? '')?.[1] ?? cookieToken(headers);
}

const cookieToken = ({ cookie = '' }: IncomingMessage['headers']): string | undefined =>
  parseCookie(cookie)[IDENTITY_COOKIE];
