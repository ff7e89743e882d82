import type { Request, Response } from 'express';
import { etagOf, isNotModified } from '../../http/representation.js';

/**
 * Sends a document that programs poll: 304 when the client has it. Caches must ask each time, because what a reader sees may
 * change at any time.
 */
export function sendText(request: Request, response: Response, type: string, text: string): void {
  const etag = etagOf(text);
  response.set({ 'cache-control': 'private, no-cache', etag });
  if (isNotModified(request, etag)) response.status(304).end();
  else response.set('content-type', type).end(text);
}
