import { stringifySetCookie } from 'cookie';
import type { Response } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/config.js';
import { isKnownOrigin } from '../../http/origin.js';
import { Problem } from '../../http/problems/problem.js';
import { publicPath } from '../../http/log/request-context.js';
import { maxAgeOf } from '../tokens/cookie-age.js';
import { cookieTokens } from '../tokens/request-tokens.js';
import type { SessionDto } from './sessions.dto.js';

/** Only the routes of sessions get the cookie. */
const PATH = '/api/sessions';

type Headers = IncomingMessage['headers'];
type CookieConfig = Pick<Config, 'NODE_ENV' | 'REFRESH_COOKIE_SAME_SITE'>;

/** Browsers of developers reach Machi over http, where they refuse `Secure`; without `Secure` they refuse `SameSite=None`. */
const isSecure = ({ NODE_ENV, REFRESH_COOKIE_SAME_SITE }: CookieConfig): boolean =>
  NODE_ENV !== 'development' || REFRESH_COOKIE_SAME_SITE === 'none';

/** With the prefix, browsers let no page of http set the cookie (RFC 6265bis, section 4.1.3). */
const nameOf = (config: CookieConfig): string => (isSecure(config) ? '__Secure-refresh-token' : 'refresh-token');

/** Deletes the cookie. */
export const deleteRefreshCookie = (response: Response, config: CookieConfig): void =>
  void response.append('set-cookie', toCookie('', 0, config));

/** The refresh tokens of the cookies, unverified: a browser may hold several, for several paths or domains. */
export const sentRefreshCookies = (headers: Headers, config: CookieConfig): string[] =>
  cookieTokens(headers, nameOf(config));

/**
 * The refresh tokens of the cookies, for a request that they authenticate. Browsers send cookies by themselves, so the request
 * must name its page: an `Origin` of ours or of ALLOWED_ORIGINS. Throws `foreign_origin`.
 */
export function refreshCookies(request: Pick<IncomingMessage, 'headers'>, config: Config): string[] {
  const tokens = sentRefreshCookies(request.headers, config);
  if (tokens.length > 0 && !isKnownOrigin(request, config)) throw new Problem('foreign_origin');
  return tokens;
}

/** Sets the refresh token of a session as the cookie. Returns the session without it, so that no script of a page can read it. */
export function moveToCookie(session: SessionDto, response: Response, config: CookieConfig): Partial<SessionDto> {
  const { refresh_token, ...rest } = session;
  response.append('set-cookie', toCookie(refresh_token, maxAgeOf(refresh_token), config));
  return rest;
}

function toCookie(value: string, maxAge: number, config: CookieConfig): string {
  const isCrossSite = config.REFRESH_COOKIE_SAME_SITE === 'none';
  return stringifySetCookie({
    name: nameOf(config),
    value,
    maxAge,
    path: publicPath(PATH),
    httpOnly: true,
    secure: isSecure(config),
    sameSite: config.REFRESH_COOKIE_SAME_SITE,
    partitioned: isCrossSite, // browsers that block cookies of other sites keep partitioned ones
  });
}
