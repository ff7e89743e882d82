import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { Problem } from './problem.js';

export const MAX_BODY_BYTES = 100 * 1024;
const MAX_DEPTH = 32;
const MAX_KEYS = 1000;

/** Path and body text that PostgreSQL would refuse later, as a 500: NUL, and halves of surrogate pairs. */
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** JSON bodies and nothing else, bounded in bytes, depth and keys before any other code looks at them. */
export function jsonBody(): RequestHandler[] {
  return [refuseBadQuery, refuseOtherTypes, express.json({ limit: MAX_BODY_BYTES, inflate: false }), checkShape];
}

function refuseBadQuery(request: Request, _: Response, next: NextFunction): void {
  next(request.url.includes('%00') ? new Problem('invalid_text') : undefined);
}

function refuseOtherTypes(request: Request, _: Response, next: NextFunction): void {
  const type = request.is(['json', '+json']); // null: no body at all
  next(type === false && request.headers['content-length'] !== '0' ? new Problem('unsupported_media_type') : undefined);
}

function checkShape(request: Request, _: Response, next: NextFunction): void {
  next(shapeProblem(request.body));
}

/** Level by level, never recursing: a body nested 50,000 deep must not exhaust the stack of its own check. */
export function shapeProblem(body: unknown): Problem | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  let keys = 0;
  let level: unknown[] = [body];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return new Problem('body_too_complex');
    const below: unknown[] = [];
    for (const container of level as object[]) {
      for (const [key, value] of Object.entries(container)) {
        if (++keys > MAX_KEYS) return new Problem('body_too_complex');
        if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) return new Problem('invalid_text');
        if (typeof value === 'object' && value !== null) below.push(value);
      }
    }
    level = below;
  }
  return undefined;
}
