import type { RequestHandler } from 'express';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { parseIpAddress, runInRequestContext } from './request-context.js';

/**
 * Gives each request an id (response header `X-Request-Id`), a request context and one log line, written when the
 * response ends. The line has no query string, headers or body.
 */
export const requestLog =
  (log: Logger, basePath: string): RequestHandler =>
  (request, response, next) => {
    const id = randomUUID();
    const start = performance.now();
    const ip = parseIpAddress(request.ip); // a header of a proxy may contain any text
    response.setHeader('x-request-id', id);
    response.once('close', () => {
      const path = loggablePath(request.originalUrl);
      const line = {
        request_id: id,
        method: request.method,
        path,
        status: response.statusCode,
        ms: Math.round((performance.now() - start) * 10) / 10,
        ip,
        user_id: (request as { user?: { id?: string } }).user?.id,
        aborted: response.writableFinished ? undefined : true,
      };
      log.info(line, `${request.method} ${path} ${response.statusCode}`);
    });
    runInRequestContext({ id, ip, basePath, response }, next);
  };

/** The path without segments that cannot be a name or an id of ours: they may be personal data, such as an address. */
const loggablePath = (url: string): string =>
  url
    .split('?', 1)[0]!
    .split('/')
    .map((segment) => (/^[\w.~:-]{0,40}$/.test(segment) ? segment : '…'))
    .join('/');
