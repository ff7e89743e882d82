import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import express, { type Request, type Response } from 'express';
import type { Observable } from 'rxjs';
import { readBody, withBodyLimit } from './body-parser.js';
import { hasBody } from './json-body.middleware.js';
import { Problem } from '../problems/problem.js';

const MAX_BYTES = 2 * 1024 * 1024;

const read = withBodyLimit(
  express.raw({ type: () => true, limit: MAX_BYTES, inflate: false }),
  MAX_BYTES,
  'table_too_large',
);

/**
 * Reads a table of the type text/csv into `request.body`, as a Buffer. Needs `@AcceptsBody('any')`. Throws
 * `unsupported_media_type`, `table_too_large`.
 */
@Injectable()
export class CsvInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    if (!hasBody(request) || !isCsv(request)) throw new Problem('unsupported_media_type');
    await readBody(read, request, http.getResponse<Response>());
    return next.handle();
  }
}

/** The bytes are UTF-8, so another charset is another media type. */
function isCsv(request: Request): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  return Boolean(request.is('text/csv')) && charset.toLowerCase() === 'utf-8';
}
