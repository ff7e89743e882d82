import type { Request, Response } from 'express';
import type { JsonText } from './json-text.js';
import { isNotModified } from './representation.js';

/** The JSON of a `T`, and its entity tag with the quotes. */
export interface TaggedJson<T> {
  json: JsonText<T>;
  etag: string;
}

/** The body of a response: nothing and 304 when the client has it. For a handler with `@Res({ passthrough: true })`. */
export function toTaggedBody<T>(
  request: Request,
  response: Response,
  { json, etag }: TaggedJson<T>,
): JsonText<T> | undefined {
  response.set('etag', etag);
  if (!isNotModified(request, etag)) return json;
  response.status(304);
  return undefined;
}
