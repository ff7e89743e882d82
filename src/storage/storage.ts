import type { Readable } from 'node:stream';
import { Problem, unavailable } from '../http/problem.js';

export interface ObjectInfo {
  /** In bytes. */
  size: number;
  /** The media type. */
  type: string;
  /** The value of Cache-Control for whoever hands the object out. */
  cache_control: string;
  modified_at: Date;
}

/** A stored object on its way out: `body` is to be read to its end or destroyed, since it holds a descriptor. */
export interface StoredObject extends ObjectInfo {
  body: Readable;
}

/** First and last byte, both included, as HTTP counts them; both within the object. */
export interface ByteRange {
  start: number;
  end: number;
}

export type Source = Readable | Buffer;

export type About = Pick<ObjectInfo, 'size' | 'type' | 'cache_control'>;

/**
 * Where bytes live, under keys such as `avatars/4f/….webp`. Every method raises `storage_unavailable` when the store
 * fails, with the cause.
 */
export abstract class Storage {
  /** All of `source`, or nothing: it must hold exactly `size` bytes. Replaces what was there, in one step. */
  abstract put(key: string, source: Source, about: About): Promise<void>;

  /** The object, or a range of it (`size` is that of the whole); null when there is none. Raises `range_not_satisfiable`. */
  abstract get(key: string, range?: ByteRange): Promise<StoredObject | null>;

  abstract head(key: string): Promise<ObjectInfo | null>;

  /** Deleting what is not there is fine. */
  abstract delete(key: string): Promise<void>;

  /** Everything below a folder such as `avatars/`, in no particular order. */
  abstract list(folder: string): AsyncIterable<{ key: string; modified_at: Date }>;

  /** Clears what puts before this moment that never ended have left, where a store can have such. */
  async tidy(_before: Date): Promise<void> {}
}

const SEGMENT = '[a-z0-9][a-z0-9._-]{0,99}';
const KEY = new RegExp(`^${SEGMENT}(/${SEGMENT}){0,5}$`);

/** Keys are made by our code, never by a client; one that could leave its folder is a defect, whatever made it. */
export function assertKey(key: string): void {
  if (!KEY.test(key)) throw new RangeError(`not a key: ${JSON.stringify(key)}`);
}

/** What a driver raises for what its store has raised. */
export const storeFailed = (error: unknown): Problem =>
  error instanceof Problem ? error : unavailable('storage_unavailable', error);

/** The range as it lies within an object of this size. Raises `range_not_satisfiable`. */
export function within({ start, end }: ByteRange, size: number): ByteRange {
  if (start < 0 || start >= size || end < start) {
    throw new Problem('range_not_satisfiable', { headers: { 'content-range': `bytes */${size}` } });
  }
  return { start, end: Math.min(end, size - 1) };
}

/** Passes chunks on, and fails when they are not exactly this many bytes. */
export async function* exactly(size: number, source: Source): AsyncGenerator<Buffer> {
  let seen = 0;
  for await (const chunk of (Buffer.isBuffer(source) ? [source] : source) as AsyncIterable<Buffer>) {
    seen += chunk.length;
    if (seen > size) break;
    yield chunk;
  }
  if (seen !== size) throw new Error(`the source does not hold the ${size} bytes that it should`);
}
