import type { NextFunction, Request, Response } from 'express';
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';

const current = new AsyncLocalStorage<string>();

/** The id of the request this code runs for; undefined outside of requests. */
export const requestId = (): string | undefined => current.getStore();

/** Gives each request an id (answered as `X-Request-Id`) and one log line: no query string, no headers, no body. */
export const requestLog =
  (log: Logger) =>
  (request: Request, response: Response, next: NextFunction): void => {
    const id = randomUUID();
    const start = process.hrtime.bigint();
    response.setHeader('x-request-id', id);
    response.once('close', () => {
      const ms = Number(process.hrtime.bigint() - start) / 1e6;
      const path = request.originalUrl.split('?', 1)[0];
      const line = {
        request_id: id,
        method: request.method,
        path,
        status: response.statusCode,
        ms: Math.round(ms * 10) / 10,
        ip: request.ip,
        user_id: (request as { user?: { id?: string } }).user?.id,
        aborted: response.writableFinished ? undefined : true,
      };
      log.info(line, `${request.method} ${path} ${response.statusCode}`);
    });
    current.run(id, next);
  };
