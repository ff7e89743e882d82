import type { IncomingMessage } from 'node:http';
import proxyAddress from 'proxy-addr';
import type { Config } from '../../config/config.js';
import { parseIpAddress } from '../../http/log/request-context.js';

/** Returns what finds the address of the client of an upgrade, which has no request context; null if it cannot be read. */
export function upgradeAddress({ TRUST_PROXY }: Pick<Config, 'TRUST_PROXY'>) {
  const isTrustedProxy = proxyAddress.compile(TRUST_PROXY);
  return (request: IncomingMessage): string | null => parseIpAddress(proxyAddress(request, isTrustedProxy));
}
