import type { Request, RequestHandler } from 'express';
import { jsonParser } from './body-parser.js';
import type { Problem } from '../problems/problem.js';
import { mapToProblem } from '../problems/problem-mapping.js';

const problems = new WeakMap<Request, Problem>();

/**
 * Parses JSON bodies and leaves other bodies unread. A problem is reported by BodyGuard once the route is known: an
 * unknown route answers 404, and a compatibility route reports the problem in its own format.
 */
export const jsonBody: RequestHandler = (request, response, next) => {
  if (!hasBody(request) || !isJson(request)) return next();
  void jsonParser(request, response, (error?: unknown) => {
    if (error) problems.set(request, mapToProblem(error));
    next();
  });
};

/** Why the JSON body of a request could not be parsed. */
export const bodyProblemOf = (request: Request): Problem | undefined => problems.get(request);

/** Whether a request has a body that is not empty. */
export function hasBody({ headers }: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': transferEncoding } = headers;
  return transferEncoding !== undefined || (length !== undefined && length !== '0');
}

/** JSON is UTF-8: another charset is another media type. */
function isJson(request: Request): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  return Boolean(request.is(['json', '+json'])) && charset.toLowerCase() === 'utf-8';
}
