import ipaddr from 'ipaddr.js';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** Whether an IP address is one of the public Internet: no loopback, private, link-local, multicast or reserved one. */
export const isPublicAddress = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';

/**
 * Resolves a host name to its public addresses only; fails with ENOTPUBLIC if there are none. The connection uses the address that
 * was checked, so that a name cannot resolve to another one in between.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const found = addresses.filter(({ address }) => isPublicAddress(address));
    const [first] = found;
    if (!first) return callback(Object.assign(new Error('no public address'), { code: 'ENOTPUBLIC' }), []);
    return options.all ? callback(null, found) : callback(null, first.address, first.family);
  });
};
