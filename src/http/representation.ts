import { Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Problem } from './problems/problem.js';

const log = new Logger('Responses');

/** First and last byte, both inclusive. */
interface Range {
  start: number;
  end: number;
}

/** A file as a response: its headers, and its bytes, which are read only when they are sent. */
export interface Representation {
  headers: Record<string, string>;
  /** With its quotes. */
  etag: string;
  /** All bytes, or what opens a part of a file that is too large to be held in memory. */
  read: () => Promise<Buffer | LargeFile>;
}

/** A file that is sent in pieces. */
export interface LargeFile {
  size: number;
  open: (range: Range) => Promise<Readable>;
}

/**
 * Sends a file: 304 when the client has it, 206 for a single range, else 200. Throws `range_not_satisfiable` and what
 * reading throws.
 */
export async function sendRepresentation(
  request: Request,
  response: Response,
  { headers, etag, read }: Representation,
): Promise<void> {
  if (isNotModified(request, etag)) {
    response.status(304).set(headers).set('etag', etag).end();
    return;
  }
  const file = await read();
  const size = Buffer.isBuffer(file) ? file.length : file.size;
  const range = findRange(request, etag, size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const body = Buffer.isBuffer(file) ? file.subarray(start, end + 1) : await openBody(request, file, { start, end });
  if (range) response.status(206).set('content-range', `bytes ${start}-${end}/${size}`);
  response
    .set(headers)
    .set('etag', etag)
    .set('content-length', String(end - start + 1));
  if (Buffer.isBuffer(body)) response.end(body);
  else await sendStream(response, body);
}

const openBody = async (request: Request, file: LargeFile, range: Range): Promise<Buffer | Readable> =>
  request.method === 'HEAD' ? Buffer.alloc(0) : file.open(range);

/**
 * Sends a stream as the rest of a response, which has its `content-length`. Does not throw: a client that leaves ends the stream. A stream
 * that fails or is too short is logged and ends the connection: a client would wait for the rest, and take the next response for it.
 */
export async function sendStream(response: Response, body: Readable): Promise<void> {
  const size = Number(response.getHeader('content-length'));
  let sent = 0;
  body.on('data', ({ length }: Buffer) => (sent += length));
  try {
    await pipeline(body, response, { end: false });
    if (sent !== size) throw new Error(`${sent} of ${size} bytes`);
    response.end();
  } catch (error) {
    body.destroy(); // Node 24 leaves it open when the client has left before
    if (response.destroyed) return; // the client has left
    log.error(new Error('Sending a file failed', { cause: error }));
    response.destroy();
  }
}

/** The entity tag of a text, with its quotes. */
export const etagOf = (text: string): string =>
  `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;

/**
 * RFC 9110, section 13.1.2. Express's `fresh` would ignore If-None-Match when the request has `Cache-Control: no-cache`,
 * which fetch adds to conditional requests.
 */
export function isNotModified(request: Request, etag: string): boolean {
  const tags = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim());
  return ['*', etag, `W/${etag}`].some((tag) => tags.includes(tag));
}

/** The single range that a GET asks for (RFC 9110, section 14.2). Several ranges are answered with the whole file. */
function findRange(request: Request, etag: string, size: number): { start: number; end: number } | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  const isApplicable = ifRange === undefined || ifRange === etag;
  if (range === undefined || !isApplicable || request.method !== 'GET') return undefined;
  if (isWholeFile(range, size)) return { start: 0, end: size - 1 };
  const ranges = request.range(size);
  if (ranges === -1) throw new Problem('range_not_satisfiable', { headers: { 'content-range': `bytes */${size}` } });
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}

/** A suffix that is longer than the file selects all of it (RFC 9110, section 14.1.2). Express regards it as not satisfiable. */
const isWholeFile = (range: string, size: number): boolean =>
  size > 0 && Number(/^bytes=-(\d+)$/.exec(range)?.[1] ?? 0) > size;
