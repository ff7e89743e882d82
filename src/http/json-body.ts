import type { NextFunction, Request, RequestHandler, Response } from 'express';
import getRawBody from 'raw-body';
import { isMultipart } from './multipart.guard.js';
import { Problem, validationFailed } from './problem.js';
import { mapToProblem } from './problem-mapping.js';

const MAX_BODY_BYTES = 100 * 1024;
const MAX_DEPTH = 32;
const MAX_KEYS = 1000;

/**
 * Reads JSON bodies and nothing else, bounded in bytes, depth and keys before any other code looks at them; but for the
 * routes of `elsewhere`, as "POST /path", which read bodies of their own kind. Not express.json: that reads an oversized
 * body to its end before it answers. Forms (multipart/form-data) pass unread: see MultipartGuard.
 */
export const jsonBody =
  (elsewhere: ReadonlySet<string>): RequestHandler =>
  (request, _, next) => {
    if (elsewhere.has(`${request.method} ${request.path.toLowerCase().replace(/\/$/, '')}`)) return next();
    if (isMultipart(request)) return next();
    readJson(request).then(
      (body) => {
        request.body = body;
        next();
      },
      (error: unknown) => next(mapToProblem(error)),
    );
  };

/** The same care for paths and queries: valid UTF-8 without NUL, and no parameter that every object has. */
export function checkUrl(request: Request, _: Response, next: NextFunction): void {
  try {
    if (decodeURIComponent(request.url).includes('\0')) throw new Problem('invalid_text');
    for (const key of Object.keys(request.query)) assertKey(key);
    next();
  } catch (error) {
    next(error instanceof URIError ? new Problem('invalid_text') : error);
  }
}

async function readJson(request: Request): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': transfer, 'content-encoding': coding } = request.headers;
  if (transfer === undefined && (length === undefined || length === '0')) return undefined;
  if (!isJson(request) || (coding ?? 'identity') !== 'identity') throw new Problem('unsupported_media_type');
  return parseJson(await readBytes(request));
}

/** The whole body, of at most 100 KB. */
export function readBytes(request: Request): Promise<Buffer> {
  const { 'content-length': length } = request.headers;
  return getRawBody(request, { length, limit: MAX_BODY_BYTES });
}

/** An object or a list, within bounds. Raises `malformed_json`, `invalid_text`, `body_too_complex`. */
export function parseJson(bytes: Buffer): object {
  const body = parse(bytes);
  assertShape(body);
  return body;
}

/** JSON is UTF-8 (RFC 8259, section 8.1). */
function isJson(request: Request): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  return Boolean(request.is(['json', '+json'])) && charset.toLowerCase() === 'utf-8';
}

function parse(bytes: Buffer): object {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Problem('invalid_text');
  }
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return body;
  } catch {
    // as below
  }
  throw new Problem('malformed_json');
}

/** What PostgreSQL cannot store: NUL, and halves of surrogate pairs. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** Names that class-validator takes for known, since every object has them. */
function assertKey(key: string): void {
  if (!(key in Object.prototype) && key !== 'prototype') return;
  throw validationFailed([{ path: key, message: `property ${key} should not exist` }]);
}

/** Level by level, never recursing: a body nested 50,000 deep must not exhaust the stack of its own check. */
export function assertShape(body: object): void {
  let keys = 0;
  let level: object[] = [body];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new Problem('body_too_complex');
    const below: object[] = [];
    for (const container of level) {
      for (const [key, value] of Object.entries(container) as [string, unknown][]) {
        if (++keys > MAX_KEYS) throw new Problem('body_too_complex');
        assertKey(key);
        if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) throw new Problem('invalid_text');
        if (typeof value === 'object' && value !== null) below.push(value);
      }
    }
    level = below;
  }
}
