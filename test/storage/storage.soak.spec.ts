import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { LocalStorage } from '../../src/storage/local-storage.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import type { Storage } from '../../src/storage/storage.js';
import { startS3 } from '../support/servers/s3-server.js';
import { keysOf, metadataOf, UNAVAILABLE } from '../support/storage.js';

const folder = mkdtempSync(join(tmpdir(), 'machi-storage-'));
let s3: Awaited<ReturnType<typeof startS3>>;
const drivers: Record<string, Storage> = { local: new LocalStorage(join(folder, 'root')) };
beforeAll(async () => {
  s3 = await startS3();
  drivers['s3'] = new S3Storage(loadConfig({ NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), ...s3.env }));
});
afterAll(async () => {
  await s3.remove();
  rmSync(folder, { recursive: true });
});

/** Copies the files that a driver has written for the first key to the other keys; a thousand requests would take seconds. */
function copyStoredFiles(root: string, [first, ...others]: string[]): void {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.startsWith(first!));
  for (const key of others) {
    for (const file of files) cpSync(join(root, file), join(root, file.replace(first!, key)), { recursive: true });
  }
}

const MIB = 1024 * 1024;
const UNSATISFIABLE = { status: 416, code: 'range_not_satisfiable' };

describe.each(['local', 's3'])('the %s driver', (name) => {
  const store = (): Storage => drivers[name]!;
  const read = async (key: string, range?: { start: number; end: number }) => {
    const found = await store().get(key, range);
    return found && (await buffer(found.body));
  };

  it.each([0, 1, 1000, 65_536, 300_000])(
    'stores and returns %i bytes with their type and cache policy',
    async (size) => {
      const bytes = randomBytes(size);
      const key = `sizes/${size}.webp`;
      await store().put(
        key,
        Readable.from([bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)]),
        metadataOf(bytes),
      );
      const head = await store().head(key);
      expect(head).toEqual({ ...metadataOf(bytes), modified_at: expect.any(Date) });
      expect(Math.abs(head!.modified_at.getTime() - Date.now())).toBeLessThan(60_000);
      const { body, ...info } = (await store().get(key))!;
      expect(info).toEqual(head);
      expect(bytes.equals(await buffer(body))).toBe(true);
    },
  );

  it.each([0, 1000, 8 * MIB, 20 * MIB + 7])(
    'stores a stream of %i bytes whose size is not known before',
    async (size) => {
      const bytes = randomBytes(size);
      const chunks = Array.from({ length: Math.ceil(size / MIB) }, (_, i) => bytes.subarray(i * MIB, (i + 1) * MIB));
      const { type, cache_control } = metadataOf(bytes);
      expect(await store().putStream('streams/one', Readable.from(chunks), { type, cache_control })).toBe(size);
      const { body, ...info } = (await store().get('streams/one'))!;
      expect(info).toMatchObject({ size, type });
      expect(bytes.equals(await buffer(body))).toBe(true);
    },
  );

  it.each([1, 20])('stores nothing of a stream that fails after %i MiB', async (count) => {
    const failing = async function* (): AsyncGenerator<Buffer> {
      for (let i = 0; i < count; i++) yield randomBytes(MIB);
      throw new Error('the source failed');
    };
    const metadata = { type: 'application/zip', cache_control: 'no-store' };
    await expect(store().putStream('streams/failing', Readable.from(failing()), metadata)).rejects.toMatchObject(
      UNAVAILABLE,
    );
    expect(await store().head('streams/failing')).toBeNull();
  });

  it.each([1000, 300_000])('returns ranges of an object of %i bytes', async (size) => {
    const bytes = randomBytes(size);
    await store().put('ranges/one', bytes, metadataOf(bytes));
    for (const [start, end] of [
      [0, 1], // the test server treats 0-0 as the whole object
      [10, 99],
      [size - 1, size - 1],
      [size - 5, size - 2],
      [0, size - 1],
    ] as const) {
      const found = (await store().get('ranges/one', { start, end }))!;
      expect(found.size).toBe(size);
      expect(bytes.subarray(start, end + 1).equals(await buffer(found.body))).toBe(true);
    }
    await expect(store().get('ranges/one', { start: size, end: size + 1 })).rejects.toMatchObject(UNSATISFIABLE);
  });

  it('returns null for a missing object, and deletes it without an error', async () => {
    expect(await store().get('no/such/thing')).toBeNull();
    expect(await store().head('no/such/thing')).toBeNull();
    await store().delete('no/such/thing');
  });

  it('replaces and deletes objects', async () => {
    for (const text of ['first, and longer', 'second'])
      await store().put('a/b', Buffer.from(text), metadataOf(Buffer.from(text)));
    expect(String(await read('a/b'))).toBe('second');
    await store().delete('a/b');
    expect(await read('a/b')).toBeNull();
    expect(await store().head('a/b')).toBeNull();
  });

  it('lists the objects of a folder and its sub-folders', async () => {
    const bytes = Buffer.from('x');
    for (const key of ['list/a', 'list/below/b', 'list/below/deep/c', 'listed/d'])
      await store().put(key, bytes, metadataOf(bytes));
    expect(await keysOf(store().list('list/'))).toEqual(['list/a', 'list/below/b', 'list/below/deep/c']);
    expect(await keysOf(store().list('list/below/'))).toEqual(['list/below/b', 'list/below/deep/c']);
    expect(await keysOf(store().list('nowhere/'))).toEqual([]);
    for await (const { modified_at } of store().list('list/')) expect(modified_at).toBeInstanceOf(Date);
  });

  it('lists more than one page of 1,000 objects', async () => {
    const bytes = Buffer.from('x');
    const keys = Array.from({ length: 1050 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    await store().put(keys[0]!, bytes, metadataOf(bytes));
    copyStoredFiles(name === 's3' ? join(s3.folder, 'machi') : join(folder, 'root'), keys);
    expect(await keysOf(store().list('many/'))).toEqual(keys);
  });

  it.each([
    [
      'fails',
      async function* () {
        yield Buffer.from('abc');
        throw new Error('failed');
      },
    ],
    [
      'is too short',
      async function* () {
        yield Buffer.from('abc');
      },
    ],
    [
      'is too long',
      async function* () {
        yield Buffer.alloc(6);
        yield Buffer.alloc(6);
      },
    ],
  ])('stores nothing of a source that %s, and keeps the previous object', async (what, source) => {
    const key = `broken/${what.replaceAll(' ', '-')}`;
    const put = store().put(key, Readable.from(source()), { ...metadataOf(Buffer.alloc(10)) });
    await expect(put).rejects.toMatchObject(UNAVAILABLE);
    expect(await store().head(key)).toBeNull();
    await store().put(key, Buffer.from('whole'), metadataOf(Buffer.from('whole')));
    const again = store().put(key, Readable.from(source()), { ...metadataOf(Buffer.alloc(10)) });
    await expect(again).rejects.toMatchObject(UNAVAILABLE);
    expect(String(await read(key))).toBe('whole');
  });

  it.each([
    '',
    '.',
    '..',
    '../escaped',
    'a/../../escaped',
    '/etc/passwd',
    'a//b',
    'a/',
    './a',
    'a/./b',
    '.hidden',
    'a/.unfinished/b',
    'a\\..\\b',
    'a\0b',
    'A/b',
    'ü',
    '%2e%2e/escaped',
    'a/b/c/d/e/f/g',
    'x'.repeat(101),
  ])('throws RangeError for the key %j', async (key) => {
    const bytes = Buffer.from('x');
    await expect(store().put(key, bytes, metadataOf(bytes))).rejects.toThrow(RangeError);
    await expect(store().get(key)).rejects.toThrow(RangeError);
    await expect(store().head(key)).rejects.toThrow(RangeError);
    await expect(store().delete(key)).rejects.toThrow(RangeError);
  });

  it('stores exactly one of 20 concurrent puts of the same key', async () => {
    const all = Array.from({ length: 20 }, () => randomBytes(100_000));
    await Promise.all(all.map((bytes) => store().put('race/one', bytes, metadataOf(bytes))));
    const found = (await read('race/one'))!;
    expect(all.filter((bytes) => bytes.equals(found))).toHaveLength(1);
  });
});
