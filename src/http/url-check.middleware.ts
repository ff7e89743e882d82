import type { RequestHandler } from 'express';
import { assertKey } from './bodies/body-shape.js';
import { Problem } from './problems/problem.js';

/** Checks the text of the URL as bodies are checked: valid UTF-8 without NUL, no parameter with a name of every object. */
export const urlCheck: RequestHandler = (request, _, next) => {
  try {
    if (decodeURIComponent(request.url).includes('\0')) throw new Problem('invalid_text');
    for (const name of Object.keys(request.query)) assertKey(name);
    next();
  } catch (error) {
    next(error instanceof URIError ? new Problem('invalid_text') : error);
  }
};
