import { stringifySetCookie } from 'cookie';
import type { IncomingHttpHeaders } from 'node:http';
import type { SessionDto } from '../../auth/sessions/sessions.dto.js';
import { cookieTokens, KANJIKU_IDENTITY_COOKIE } from '../../auth/tokens/request-tokens.js';
import type { Config } from '../../config/config.js';
import { cookiePath } from '../../http/log/request-context.js';
import { maxAgeOf } from '../../auth/tokens/cookie-age.js';

const REFRESH_COOKIE = 'RefreshToken';

/** The tokens of a request's cookies, unverified: a browser may send several of one name. */
export interface KanjikuTokens {
  identity: string[];
  refresh: string[];
}

export const kanjikuTokens = (headers: IncomingHttpHeaders): KanjikuTokens => ({
  identity: cookieTokens(headers, KANJIKU_IDENTITY_COOKIE),
  refresh: cookieTokens(headers, REFRESH_COOKIE),
});

/** The `Set-Cookie` headers that store the tokens of a session. */
export const sessionCookies = ({ identity_token, refresh_token }: SessionDto, config: Config): string[] => [
  toCookie(KANJIKU_IDENTITY_COOKIE, identity_token, maxAgeOf(identity_token), config),
  toCookie(REFRESH_COOKIE, refresh_token, maxAgeOf(refresh_token), config),
];

/** The `Set-Cookie` headers that delete both cookies. */
export const deletedCookies = (config: Config): string[] =>
  [KANJIKU_IDENTITY_COOKIE, REFRESH_COOKIE].map((name) => toCookie(name, '', 0, config));

/** Browsers of developers reach Machi over http, where they refuse `Secure`. */
const toCookie = (name: string, value: string, maxAge: number, { NODE_ENV }: Config): string =>
  stringifySetCookie({
    name,
    value,
    maxAge,
    path: cookiePath(),
    httpOnly: true,
    sameSite: 'lax',
    secure: NODE_ENV !== 'development',
  });
