import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.js';

/**
 * Whether a browser says that a page of another site sends this request: neither ours (by PUBLIC_URL, or by the name it
 * was sent to) nor one of ALLOWED_ORIGINS. What is no browser says nothing.
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
