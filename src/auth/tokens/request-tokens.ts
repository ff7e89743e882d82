import { parseCookie } from 'cookie';
import type { IncomingMessage } from 'node:http';
import { tokenProblem } from '../../http/problems/problem.js';

/** The cookies that hold an identity token: that of the chat app, and that of the manga site. */
export const IDENTITY_COOKIE = 'login-token';
export const KANJIKU_IDENTITY_COOKIE = 'IdentityToken';

/** Bounds the work of a request that sends the cookie many times. Browsers send it twice at most: for two paths or domains. */
const MAX_COOKIES = 8;

/** Anchored, so that it takes linear time on any header. */
const BEARER = /^Bearer (\S+)$/i;

/** Credentials of another scheme, such as `Basic` for a reverse proxy, are not meant for us and count as absent. */
const BEARER_SCHEME = /^Bearer(?:\s|$)/i;

type Headers = IncomingMessage['headers'];

/** The Bearer credentials of a request, in any format (RFC 6750, section 2.1). Throws `token_required`, `invalid_token`. */
export function bearerCredentials({ headers }: Pick<IncomingMessage, 'headers'>): string {
  if (!hasBearer(headers)) throw tokenProblem('token_required');
  const token = BEARER.exec(headers.authorization!)?.[1];
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
 * The identity tokens of a request, at least one: the Bearer token, or the cookies for GET, HEAD and the WebSocket upgrade.
 * A browser sends several cookies of one name in an order that says nothing about their age (RFC 6265, section 5.4), so
 * any of them may be the valid one. Browsers send cookies with cross-site requests, so a cookie must not authenticate a
 * change. Throws `token_required`, `invalid_token`.
 */
export function identityTokens(request: Pick<IncomingMessage, 'headers' | 'method'>): [string, ...string[]] {
  const { headers, method } = request;
  const isSafe = method === 'GET' || method === 'HEAD';
  const [first, ...others] = isSafe && !hasBearer(headers) ? identityCookies(headers) : [];
  return first === undefined ? [bearerToken(request)] : [first, ...others];
}

/** The Bearer token of a request; undefined if there is none in the right format. */
export const findBearerToken = ({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined =>
  BEARER.exec(headers.authorization ?? '')?.[1];

/** The tokens that a request sends by header or cookie, unverified. */
export function presentedTokens(request: Pick<IncomingMessage, 'headers'>): string[] {
  const token = findBearerToken(request);
  return token === undefined ? identityCookies(request.headers) : [token];
}

/** Whether the request has Bearer credentials, in any format. */
export const hasBearer = ({ authorization }: Headers): boolean =>
  authorization !== undefined && BEARER_SCHEME.test(authorization);

const identityCookies = (headers: Headers): string[] => cookieTokens(headers, IDENTITY_COOKIE, KANJIKU_IDENTITY_COOKIE);

/**
 * The values of all cookies with one of these names, in the order of the header. `parseCookie` returns the first cookie of
 * a name, so each one is parsed on its own.
 */
export function cookieTokens({ cookie }: Headers, ...names: string[]): string[] {
  if (cookie === undefined) return [];
  const values = cookie.split(';').flatMap((pair) => {
    const cookies = parseCookie(pair);
    return names.map((name) => cookies[name]).filter((value) => value !== undefined);
  });
  return [...new Set(values)].slice(0, MAX_COOKIES);
}
