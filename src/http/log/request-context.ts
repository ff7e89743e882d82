import type { Response } from 'express';
import { AsyncLocalStorage } from 'node:async_hooks';
import { isIP } from 'node:net';

/** What code below a request may know about it without a parameter for it. */
export interface RequestContext {
  id: string;
  /** The client's address; null when the client disconnected before it was read. */
  ip: string | null;
  /** The path of PUBLIC_URL, which the proxy has removed from the request. */
  basePath: string;
  response: Response;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** Runs a function, and all that it starts, in the context of a request. */
export const runInRequestContext = (context: RequestContext, run: () => void): void => storage.run(context, run);

/** The context of the current request; undefined outside of requests. */
export const requestContext = (): RequestContext | undefined => storage.getStore();

/** The id of the current request; undefined outside of requests. */
export const requestId = (): string | undefined => storage.getStore()?.id;

/** A path of this server as clients of the current request know it: under the path of PUBLIC_URL. */
export const publicPath = (path: string): string => `${storage.getStore()?.basePath ?? ''}${path}`;

/** The attribute `Path` of cookies: they are sent to this server only, not to others on the same host. */
export const cookiePath = (): string => publicPath('') || '/';

/** Whether the client of the current request has disconnected, so that the rest of the work is useless. */
export const isClientDisconnected = (): boolean => storage.getStore()?.response.destroyed ?? false;

/** An address with a port, as some proxies forward it: "203.0.113.9:5000", "[2001:db8::1]:5000". */
const ADDRESS_WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/;

/** Reads the IP address from a connection or a proxy header, without port and IPv6 zone; null if it is not one. */
export function parseIpAddress(text: string | undefined): string | null {
  const ip = text?.replace(ADDRESS_WITH_PORT, '$1$2').split('%', 1)[0] ?? '';
  return isIP(ip) ? ip : null;
}
