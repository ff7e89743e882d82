import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.js';

/**
 * Whether a browser sent the request from a page of another site: its `Origin` is neither ours (PUBLIC_URL, or the host of
 * the request) nor one of ALLOWED_ORIGINS, or the browser says so itself (`Sec-Fetch-Site`). Clients other than browsers
 * send neither header.
 */
export function isForeignOrigin({ headers }: Pick<IncomingMessage, 'headers'>, config: Config): boolean {
  const { origin } = headers;
  if (config.ALLOWED_ORIGINS.some((allowed) => allowed === '*' || allowed === origin)) return false;
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site') return true;
  // A form of a page with `Referrer-Policy: no-referrer` sends "null". Pages cannot set Sec-Fetch-Site.
  if (origin === undefined || (origin === 'null' && site === 'same-origin')) return false;
  return !isOwnOrigin(origin, headers.host, config);
}

/**
 * Whether the request names a page of ours or of an origin in ALLOWED_ORIGINS. Unlike `isForeignOrigin`, it needs a header
 * that names the page, and "*" names none: for requests that a cookie authenticates.
 */
export function isKnownOrigin({ headers }: Pick<IncomingMessage, 'headers'>, config: Config): boolean {
  const { origin } = headers;
  if (headers['sec-fetch-site'] === 'same-origin') return true;
  return origin !== undefined && (config.ALLOWED_ORIGINS.includes(origin) || isOwnOrigin(origin, headers.host, config));
}

function isOwnOrigin(origin: string, host: string | undefined, { PUBLIC_URL }: Config): boolean {
  if (!URL.canParse(origin)) return false;
  const own = PUBLIC_URL === undefined ? undefined : new URL(PUBLIC_URL).origin;
  return origin === own || new URL(origin).host === host?.toLowerCase();
}
