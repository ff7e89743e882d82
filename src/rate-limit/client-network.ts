import ipaddr from 'ipaddr.js';
import { requestContext } from '../http/request-context.js';

/** The key under which a client is counted: its IPv4 address, or the /64 network of its IPv6 address. */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'unknown';
  const address = ipaddr.process(ip);
  return address.kind() === 'ipv4' ? address.toString() : Buffer.from(address.toByteArray()).toString('hex', 0, 8);
}

/** The network of the client whose request is being handled. */
export const clientNetwork = (): string => networkOf(requestContext()?.ip ?? null);
