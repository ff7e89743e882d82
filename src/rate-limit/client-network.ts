import ipaddr from 'ipaddr.js';
import { isIPv4 } from 'node:net';
import { requestContext } from '../http/request-context.js';

/** The key under which a client is counted: its IPv4 address, or the /64 network of its IPv6 address. */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'unknown';
  if (isIPv4(ip)) return ip; // the usual case, on the path of every request
  const address = ipaddr.process(ip);
  return address.kind() === 'ipv4' ? address.toString() : Buffer.from(address.toByteArray()).toString('hex', 0, 8);
}

/** The network of the client whose request is being handled. */
export const clientNetwork = (): string => networkOf(requestContext()?.ip ?? null);
