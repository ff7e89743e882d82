import type { NextFunction, Request, Response } from 'express';
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { Logger } from 'pino';

interface RequestContext {
  id: string;
  ip: string | null;
  response: Response;
}

const current = new AsyncLocalStorage<RequestContext>();

/** The request this code runs for; undefined outside of requests. */
export const requestContext = (): RequestContext | undefined => current.getStore();

/** The id of the request this code runs for; undefined outside of requests. */
export const requestId = (): string | undefined => current.getStore()?.id;

/** True when the client of the request this code runs for has gone: nobody waits for the rest of the work. */
export const isClientGone = (): boolean => current.getStore()?.response.destroyed ?? false;

/** Some proxies forward addresses with the port: "203.0.113.9:5000", "[2001:db8::1]:5000". */
const PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/;

/**
 * An address as a connection or a proxy tells it, without an IPv6 zone; null for what is none, and for a client that has
 * gone already.
 */
export function toAddress(told: string | undefined): string | null {
  const ip = told?.replace(PORT, '$1$2').split('%', 1)[0] ?? '';
  return isIP(ip) ? ip : null;
}

/** Segments that are no name or id of ours may be anybody's data: an e-mail address, a token. */
const loggable = (url: string): string =>
  url
    .split('?', 1)[0]!
    .split('/')
    .map((segment) => (/^[\w.~:-]{0,40}$/.test(segment) ? segment : '…'))
    .join('/');

/** Gives each request an id (answered as `X-Request-Id`) and one log line: no query string, no headers, no body. */
export const logRequests =
  (log: Logger) =>
  (request: Request, response: Response, next: NextFunction): void => {
    const id = randomUUID();
    const start = performance.now();
    response.setHeader('x-request-id', id);
    response.once('close', () => {
      const path = loggable(request.originalUrl);
      const line = {
        request_id: id,
        method: request.method,
        path,
        status: response.statusCode,
        ms: Math.round((performance.now() - start) * 10) / 10,
        ip: request.ip,
        user_id: (request as { user?: { id?: string } }).user?.id,
        aborted: response.writableFinished ? undefined : true,
      };
      log.info(line, `${request.method} ${path} ${response.statusCode}`);
    });
    current.run({ id, ip: toAddress(request.ip), response }, next);
  };
