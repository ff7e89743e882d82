import { isIP } from 'node:net';
import { isSafeUrl } from '../../../common/http-client/http-client.js';

export const MAX_ENDPOINT = 2000;

/** Names of hosts in private networks (RFC 6761, 6762, 8375). */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa)$/;

/**
 * Whether a URL may be the endpoint of a push service: https on the default port of a named host, without credentials. Outside
 * production also http on the loopback interface. Clients choose the URL, so the address of the host is checked as well, when the
 * connection is made.
 */
export function isPushEndpoint(text: string, isProduction: boolean): boolean {
  if (text.length > MAX_ENDPOINT || !isSafeUrl(text, isProduction)) return false;
  const { protocol, hostname, port, hash, href } = new URL(text);
  if (hash !== '' || href.length > MAX_ENDPOINT) return false;
  if (protocol === 'http:') return true;
  const isName = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/.test(hostname) && isIP(hostname) === 0;
  return isName && port === '' && !PRIVATE_NAME.test(hostname);
}
