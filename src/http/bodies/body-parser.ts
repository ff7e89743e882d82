import express, { type Request, type RequestHandler, type Response } from 'express';
import { AsyncResource } from 'node:async_hooks';
import { isUtf8 } from 'node:buffer';
import { assertShape } from './body-shape.js';
import { Problem } from '../problems/problem.js';
import { mapToProblem } from '../problems/problem-mapping.js';

export const MAX_BODY_BYTES = 100 * 1024;

/** Reads a body with a parser of Express. Rejects with the problem of a body that the parser refuses. */
export const readBody = (parser: RequestHandler, request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    void parser(request, response, (error?: unknown) => (error ? reject(mapToProblem(error)) : resolve()));
  });

/**
 * Limits the bytes that a parser reads. Parsers of Express read an oversized body to its end before they report it; this
 * reports it at once. Throws `code`.
 */
export const withBodyLimit =
  (
    parser: RequestHandler,
    maxBytes = MAX_BODY_BYTES,
    code: 'body_too_large' | 'table_too_large' = 'body_too_large',
  ): RequestHandler =>
  (request, response, next) => {
    if (Number(request.headers['content-length']) > maxBytes) return next(new Problem(code));
    let received = 0;
    const countBytes = ({ length }: Buffer): void => {
      received += length;
      if (received > maxBytes) finish(new Problem(code));
    };
    let isFinished = false;
    // Bound to the current request: events of the stream run in the context of the connection.
    const finish = AsyncResource.bind((error?: unknown): void => {
      if (isFinished) return;
      isFinished = true;
      request.off('data', countBytes);
      next(error);
    });
    request.on('data', countBytes);
    void parser(request, response, finish);
  };

const parseJson = withBodyLimit(
  express.json({
    limit: MAX_BODY_BYTES,
    inflate: false,
    type: () => true,
    verify: (_, __, bytes) => assertJsonText(bytes),
  }),
);

/** The JSON parser of Express with the checks of assertShape. Throws `malformed_json`, `invalid_text` and its problems. */
export const jsonParser: RequestHandler = (request, response, next) =>
  parseJson(request, response, (error?: unknown) => {
    if (error) return next(error);
    try {
      assertShape(request.body as object);
      next();
    } catch (problem) {
      next(problem);
    }
  });

/** JSON is UTF-8 (RFC 8259, section 8.1). Decoders replace invalid bytes silently. */
function assertJsonText(bytes: Buffer): void {
  if (bytes.length === 0) throw new Problem('malformed_json');
  if (!isUtf8(bytes)) throw new Problem('invalid_text');
}
