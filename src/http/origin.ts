import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.js';

/**
 * Whether a browser sent the request from a page of another site: the `Origin` is neither ours (PUBLIC_URL, or the host of
 * the request) nor one of ALLOWED_ORIGINS. Other clients send no `Origin`.
 */
export function isForeignOrigin({ headers }: Pick<IncomingMessage, 'headers'>, config: Config): boolean {
  const { origin, host } = headers;
  if (origin === undefined || config.ALLOWED_ORIGINS.some((allowed) => allowed === '*' || allowed === origin)) {
    return false;
  }
  if (!URL.canParse(origin)) return true;
  const own = config.PUBLIC_URL === undefined ? undefined : new URL(config.PUBLIC_URL).origin;
  return origin !== own && new URL(origin).host !== host?.toLowerCase();
}
