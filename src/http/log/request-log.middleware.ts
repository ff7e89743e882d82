import type { RequestHandler } from 'express';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { traceIds } from '../../tracing/tracing.js';
import type { RequestObserver } from '../metrics/request-metrics.js';
import { parseIpAddress, runInRequestContext } from './request-context.js';

/**
 * Gives each request an id (response header `X-Request-Id`), a request context and one log line, written when the
 * response ends. The line has no query string, headers or body. `observe` is called when the response ends, too.
 */
export const requestLog =
  (log: Logger, basePath: string, observe?: RequestObserver): RequestHandler =>
  (request, response, next) => {
    const id = randomUUID();
    const start = performance.now();
    const trace = traceIds(); // the span has ended when the line is written
    const ip = parseIpAddress(request.ip); // a header of a proxy may contain any text
    response.setHeader('x-request-id', id);
    response.once('close', () => {
      const ms = performance.now() - start;
      observe?.(request, response, ms / 1000);
      const path = loggablePath(request.originalUrl);
      const line = {
        request_id: id,
        method: request.method,
        path,
        status: response.statusCode,
        ms: Math.round(ms * 10) / 10,
        ip,
        user_id: (request as { user?: { id?: string } }).user?.id,
        aborted: response.writableFinished ? undefined : true,
        ...trace,
      };
      log.info(line, `${request.method} ${path} ${response.statusCode}`);
    });
    runInRequestContext({ id, ip, basePath, response }, next);
  };

const UUID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/gi;
/** A national id or a phone number, maybe with separators. */
const LONG_NUMBER = /\d(?:[.~:_-]?\d){9}/;

/** Whether a segment of a path can be a name or an id of ours. */
function isLoggable(segment: string): boolean {
  if (!/^[\w.~:-]{0,40}$/.test(segment)) return false;
  return !LONG_NUMBER.test(segment) || !LONG_NUMBER.test(segment.replaceAll(UUID, ''));
}

/** The path without segments that cannot be ours: they may be personal data, such as an address or a national id. */
const loggablePath = (url: string): string =>
  url
    .split('?', 1)[0]!
    .split('/')
    .map((segment) => (isLoggable(segment) ? segment : '…'))
    .join('/');
