import type { IncomingMessage } from 'node:http';
import proxyAddress from 'proxy-addr';
import type { Config } from '../../config/config.js';
import { parseIpAddress } from '../../http/log/request-context.js';
import { type ClientNetwork, networksOf } from '../../rate-limit/client-network.js';

/** Returns what finds the networks of the client of an upgrade, which has no request context. */
export function upgradeNetworks({ TRUST_PROXY }: Pick<Config, 'TRUST_PROXY'>) {
  const isTrustedProxy = proxyAddress.compile(TRUST_PROXY);
  return (request: IncomingMessage): [ClientNetwork, ...ClientNetwork[]] =>
    networksOf(parseIpAddress(proxyAddress(request, isTrustedProxy)));
}
