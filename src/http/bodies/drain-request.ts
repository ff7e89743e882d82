import type { Request } from 'express';
import { setTimeout as sleep } from 'node:timers/promises';

const DRAIN_MS = 1000;

/**
 * Reads and discards the rest of a request body, for at most a second. If it ends by then, the connection stays open for the
 * next request; otherwise `closeIfRequestIncomplete` closes it.
 */
export async function drainRequest(request: Request): Promise<void> {
  if (request.complete || request.destroyed) return;
  const ended = new AbortController();
  request.once('close', () => ended.abort()).once('end', () => ended.abort());
  request.resume();
  await sleep(DRAIN_MS, undefined, { signal: ended.signal }).catch(() => undefined);
}
