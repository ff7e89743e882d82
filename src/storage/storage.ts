import type { Readable } from 'node:stream';
import type { LocalFile } from '../common/local-file.js';
import { Problem, unavailable } from '../http/problems/problem.js';

/** What is known about a stored object without reading it. */
export interface ObjectInfo {
  /** In bytes. */
  size: number;
  /** The media type. */
  type: string;
  /** The Cache-Control header to send with the object. */
  cache_control: string;
  modified_at: Date;
}

/** A stored object. Read `body` to its end or destroy it: it holds a file descriptor. */
export interface StoredObject extends ObjectInfo {
  body: Readable;
}

/** First and last byte, both inclusive, as in HTTP. */
export interface ByteRange {
  start: number;
  end: number;
}

/** The bytes to store. */
export type Source = Readable | Buffer;

/** What the caller of `put` says about an object. */
export type ObjectMetadata = Pick<ObjectInfo, 'size' | 'type' | 'cache_control'>;

/** The same for an object whose size is not known before. */
export type StreamMetadata = Omit<ObjectMetadata, 'size'>;

/** An object to store. */
export interface NewObject {
  key: string;
  source: Source;
  metadata: ObjectMetadata;
}

/** A file in the work folder (see common/object-file.ts), and the key to store it under. */
export interface WrittenFile {
  key: string;
  path: string;
}

/**
 * Stores files under keys such as `avatars/4f/….webp`. Every method throws `storage_unavailable`, with the cause, when the
 * storage fails, and RangeError for an invalid key.
 */
export abstract class Storage {
  /** Stores an object atomically, replacing the previous one. `source` must hold exactly `metadata.size` bytes. */
  abstract put(key: string, source: Source, metadata: ObjectMetadata): Promise<void>;

  /**
   * Stores an object whose size is not known before, atomically and in pieces. Returns its size. Stores nothing
   * when the source fails.
   */
  abstract putStream(key: string, source: Readable, metadata: StreamMetadata): Promise<number>;

  /** Stores objects, each as `put` does. When it fails, some may be stored, and none is being stored any more. */
  async putAll(objects: NewObject[]): Promise<void> {
    const puts = await Promise.allSettled(objects.map(({ key, source, metadata }) => this.put(key, source, metadata)));
    const failed = puts.find((put) => put.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Where other processes of this machine write files for `moveAll`; null when the driver stores elsewhere. */
  async findWorkFolder(): Promise<string | null> {
    return null;
  }

  /**
   * Stores files of the work folder, each atomically. When it fails, some may be stored, and the others are deleted.
   */
  async moveAll(_files: WrittenFile[]): Promise<void> {
    throw new Error('this driver has no work folder');
  }

  /** The object or a range of it; null when there is none. `size` is that of the object. Throws `range_not_satisfiable`. */
  abstract get(key: string, range?: ByteRange): Promise<StoredObject | null>;

  /** The object's metadata; null when there is none. */
  abstract head(key: string): Promise<ObjectInfo | null>;

  /** Deletes an object. Does nothing when there is none. */
  abstract delete(key: string): Promise<void>;

  /** All objects below a folder such as `avatars/`, or all with an empty text, in no particular order. */
  abstract list(folder: string): AsyncIterable<{ key: string; modified_at: Date }>;

  /** Where another process of this machine can read an object; null when there is none, or the driver stores it elsewhere. */
  async findFile(_key: string): Promise<LocalFile | null> {
    return null;
  }

  /** An address at which anyone can read the object for some seconds, for drivers that can make one; else null. */
  async findSignedUrl(_key: string, _seconds: number): Promise<string | null> {
    return null;
  }

  /**
   * Deletes remains of puts into a folder such as `exports/` that started before this time and never ended, for drivers that can
   * have such.
   */
  async deleteUnfinished(_folder: string, _before: Date): Promise<void> {}
}

const SEGMENT = '[a-z0-9][a-z0-9._-]{0,99}';
const KEY = new RegExp(`^${SEGMENT}(/${SEGMENT}){0,5}$`);

/** The folder of the objects that checks of the storage write and delete. */
export const PROBES_FOLDER = 'probe/';

/** Whether a text can be the key of an object. */
export const isKey = (text: string): boolean => KEY.test(text);

/** Throws RangeError for an invalid key. Keys come from our code only, so this is a bug; it also prevents path traversal. */
export function assertKey(key: string): void {
  if (!isKey(key)) throw new RangeError(`not a key: ${JSON.stringify(key)}`);
}

/** The problem that a driver throws for an error of its storage. */
export const mapStorageError = (error: unknown): Problem =>
  error instanceof Problem ? error : unavailable('storage_unavailable', error);

/** Limits a range to an object of this size. Throws `range_not_satisfiable`. */
export function clampRange({ start, end }: ByteRange, size: number): ByteRange {
  if (start < 0 || start >= size || end < start) {
    throw new Problem('range_not_satisfiable', { headers: { 'content-range': `bytes */${size}` } });
  }
  return { start, end: Math.min(end, size - 1) };
}

/** Passes chunks through and tells the size of each. */
export async function* countBytes(source: Readable, onChunk: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    onChunk(chunk.length);
    yield chunk;
  }
}

/** Passes chunks through. Throws when they do not add up to `size` bytes. */
export async function* checkSize(size: number, source: Source): AsyncGenerator<Buffer> {
  let received = 0;
  for await (const chunk of (Buffer.isBuffer(source) ? [source] : source) as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received > size) break;
    yield chunk;
  }
  if (received !== size) throw new Error(`the source does not have exactly ${size} bytes`);
}
