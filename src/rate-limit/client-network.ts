import ipaddr from 'ipaddr.js';
import { isIPv4 } from 'node:net';
import { requestContext } from '../http/log/request-context.js';

/** A network under which a client is counted. */
export interface ClientNetwork {
  key: string;
  /** How many times as large as usual the limits of this network are. */
  scale: number;
}

/** A /48 is what a provider assigns to one site: its owner has 65,536 networks of /64, and may be a campus. */
const SITE_SCALE = 10;

/**
 * The networks under which a client is counted, the narrowest first: its IPv4 address, or the /64 and the /48 of its IPv6
 * address. Count in this order and stop at the first that is refused, so that one /64 cannot use up the limit of its /48.
 */
export function networksOf(ip: string | null): [ClientNetwork, ...ClientNetwork[]] {
  if (ip === null) return [{ key: 'unknown', scale: 1 }];
  if (isIPv4(ip)) return [{ key: ip, scale: 1 }]; // the usual case, on the path of every request
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return [{ key: address.toString(), scale: 1 }];
  const bytes = Buffer.from(address.toByteArray());
  return [
    { key: bytes.toString('hex', 0, 8), scale: 1 },
    { key: bytes.toString('hex', 0, 6), scale: SITE_SCALE },
  ];
}

/** The narrowest network of a client. */
export const networkOf = (ip: string | null): string => networksOf(ip)[0].key;

/** The networks of the client whose request is being handled. */
export const clientNetworks = (): [ClientNetwork, ...ClientNetwork[]] => networksOf(requestContext()?.ip ?? null);

/** The path of a user's tasks in a FairQueue: the networks, by default those of the request, the widest first, and the user. */
export const fairShareOf = (user: string, networks: ClientNetwork[] = clientNetworks()): string[] => [
  ...networks.map(({ key }) => key).toReversed(),
  user,
];
