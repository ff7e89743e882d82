import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { LocalStorage } from '../../src/storage/local-storage.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import type { Storage } from '../../src/storage/storage.js';
import { startApp } from '../support/app.js';
import { startS3 } from '../support/s3-server.js';

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

const metadata = (bytes: Buffer) => ({ size: bytes.length, type: 'image/webp', cache_control: 'public, max-age=60' });
const keysOf = async (list: AsyncIterable<{ key: string }>): Promise<string[]> => {
  const keys = [];
  for await (const { key } of list) keys.push(key);
  return keys.toSorted((a, b) => a.localeCompare(b));
};

const UNAVAILABLE = { status: 503, code: 'storage_unavailable' };
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
      await store().put(key, Readable.from([bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)]), metadata(bytes));
      const head = await store().head(key);
      expect(head).toEqual({ ...metadata(bytes), modified_at: expect.any(Date) });
      expect(Math.abs(head!.modified_at.getTime() - Date.now())).toBeLessThan(60_000);
      const { body, ...info } = (await store().get(key))!;
      expect(info).toEqual(head);
      expect(bytes.equals(await buffer(body))).toBe(true);
    },
  );

  it.each([1000, 300_000])('returns ranges of an object of %i bytes', async (size) => {
    const bytes = randomBytes(size);
    await store().put('ranges/one', bytes, metadata(bytes));
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
      await store().put('a/b', Buffer.from(text), metadata(Buffer.from(text)));
    expect(String(await read('a/b'))).toBe('second');
    await store().delete('a/b');
    expect(await read('a/b')).toBeNull();
    expect(await store().head('a/b')).toBeNull();
  });

  it('lists the objects of a folder and its sub-folders', async () => {
    const bytes = Buffer.from('x');
    for (const key of ['list/a', 'list/below/b', 'list/below/deep/c', 'listed/d'])
      await store().put(key, bytes, metadata(bytes));
    expect(await keysOf(store().list('list/'))).toEqual(['list/a', 'list/below/b', 'list/below/deep/c']);
    expect(await keysOf(store().list('list/below/'))).toEqual(['list/below/b', 'list/below/deep/c']);
    expect(await keysOf(store().list('nowhere/'))).toEqual([]);
    for await (const { modified_at } of store().list('list/')) expect(modified_at).toBeInstanceOf(Date);
  });

  it('lists more than one page of 1,000 objects', async () => {
    const bytes = Buffer.from('x');
    const keys = Array.from({ length: 1050 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => store().put(key, bytes, metadata(bytes))));
    }
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
    const put = store().put(key, Readable.from(source()), { ...metadata(Buffer.alloc(10)) });
    await expect(put).rejects.toMatchObject(UNAVAILABLE);
    expect(await store().head(key)).toBeNull();
    await store().put(key, Buffer.from('whole'), metadata(Buffer.from('whole')));
    const again = store().put(key, Readable.from(source()), { ...metadata(Buffer.alloc(10)) });
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
    await expect(store().put(key, bytes, metadata(bytes))).rejects.toThrow(RangeError);
    await expect(store().get(key)).rejects.toThrow(RangeError);
    await expect(store().head(key)).rejects.toThrow(RangeError);
    await expect(store().delete(key)).rejects.toThrow(RangeError);
  });

  it('stores exactly one of 20 concurrent puts of the same key', async () => {
    const all = Array.from({ length: 20 }, () => randomBytes(100_000));
    await Promise.all(all.map((bytes) => store().put('race/one', bytes, metadata(bytes))));
    const found = (await read('race/one'))!;
    expect(all.filter((bytes) => bytes.equals(found))).toHaveLength(1);
  });
});

describe('the local driver on disk', () => {
  const root = join(folder, 'root');
  const store = () => drivers['local']!;
  const bytes = Buffer.from('x');

  it('follows no symbolic link out of its folder', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), '{"type":"text/plain","cache_control":""}\nsecret');
    await store().put('links/real', bytes, metadata(bytes));
    symlinkSync(join(outside, 'secret'), join(root, 'links/file'));
    symlinkSync(outside, join(root, 'links/folder'));
    symlinkSync(outside, join(root, 'linked'));
    for (const key of ['links/file', 'links/folder/secret', 'linked/secret']) {
      await expect(store().get(key)).rejects.toMatchObject(UNAVAILABLE);
      await expect(store().head(key)).rejects.toMatchObject(UNAVAILABLE);
    }
    for (const key of ['links/folder/new', 'linked/new', 'linked/below/new']) {
      await expect(store().put(key, bytes, metadata(bytes))).rejects.toMatchObject(UNAVAILABLE);
    }
    for (const key of ['links/folder/secret', 'linked/secret']) {
      await expect(store().delete(key)).rejects.toMatchObject(UNAVAILABLE);
    }
    expect(await keysOf(store().list('links/'))).toEqual(['links/real']);
    await store().put('links/file', bytes, metadata(bytes)); // replaces the link, not its target
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toMatch(/secret$/);
  });

  it('creates its folder again after it was removed', async () => {
    const own = new LocalStorage(join(folder, 'removed'));
    await own.put('a/b', bytes, metadata(bytes));
    rmSync(join(folder, 'removed'), { recursive: true });
    expect(await own.get('a/b')).toBeNull();
    await expect(own.put('a/b', bytes, metadata(bytes))).rejects.toMatchObject(UNAVAILABLE);
    await own.put('a/b', bytes, metadata(bytes));
    expect(await own.head('a/b')).toMatchObject({ size: 1 });
  });

  it('leaves no unfinished files, and deletes old ones that a crash has left', async () => {
    const unfinished = join(root, '.unfinished');
    expect(readdirSync(unfinished)).toEqual([]);
    for (const name of ['old', 'new']) writeFileSync(join(unfinished, name), 'x');
    utimesSync(join(unfinished, 'old'), new Date(0), new Date(0));
    await store().deleteUnfinished(new Date(Date.now() - 3_600_000));
    expect(readdirSync(unfinished)).toEqual(['new']);
    expect(await keysOf(store().list(''))).not.toContain('.unfinished/new');
  });

  it('leaves no descriptor open, whether objects or ranges are read or destroyed', async () => {
    const large = randomBytes(200_000);
    await store().put('fd/large', large, metadata(large));
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 100; i++) {
      await store().head('fd/large');
      await buffer((await store().get('fd/large'))!.body);
      (await store().get('fd/large', { start: 0, end: 150_000 }))!.body.destroy();
      await store().get('fd/nothing');
    }
    await expect.poll(count).toBeLessThanOrEqual(before);
  });
});

describe('the s3 driver with a broken server', () => {
  let answer: (response: ServerResponse) => void;
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });
  let store: Storage;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    store = new S3Storage(
      loadConfig({ NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), ...s3.env, S3_ENDPOINT: endpoint }),
    );
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const bytes = Buffer.from('x');

  it.each<[string, number, object, string]>([
    ['an empty 404', 404, {}, ''],
    ['an HTML page', 404, { 'content-type': 'text/html' }, '<h1>Not Found</h1>'],
    ['NoSuchBucket', 404, {}, '<Error><Code>NoSuchBucket</Code></Error>'],
    ['a redirect', 307, { location: 'http://127.0.0.1:1/' }, ''],
    ['a 500', 500, {}, 'failure'],
  ])('throws storage_unavailable when the server answers with %s', async (_, status, headers, text) => {
    answer = (response) => response.writeHead(status, { ...headers }).end(text);
    await expect(store.put('a/b', bytes, metadata(bytes))).rejects.toMatchObject(UNAVAILABLE);
    await expect(keysOf(store.list('a/'))).rejects.toMatchObject(UNAVAILABLE);
  });

  it('throws storage_unavailable for an object of unknown length', async () => {
    answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>'); // in chunks
    await expect(store.get('a/b')).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.get('a/b', { start: 0, end: 1 })).rejects.toMatchObject(UNAVAILABLE);
  });
});

describe('readiness', () => {
  const ready = (t: Awaited<ReturnType<typeof startApp>>) => t.request('GET', '/api/health/ready');

  it('fails while the bucket is unavailable and recovers with it', async () => {
    const own = await startS3();
    await own.down();
    const t = await startApp({ env: own.env });
    expect((await ready(t)).body).toMatchObject({ status: 503, code: 'not_ready', checks: { storage: 'unavailable' } });
    await own.up();
    t.clock.advance(10_000);
    expect((await ready(t)).body['checks']).toMatchObject({ storage: 'ok' });
    expect(readdirSync(join(own.folder, 'machi'))).toEqual([]);
    await t.stop();
    await own.remove();
  });

  it('fails while the folder is a file and recovers within 10 s', async () => {
    const path = join(folder, 'path');
    writeFileSync(path, 'a file');
    const t = await startApp({ env: { STORAGE_DIR: path } });
    expect((await ready(t)).body).toMatchObject({ code: 'not_ready', checks: { storage: 'unavailable' } });
    t.clock.advance(10_000);
    expect((await ready(t)).status).toBe(503);
    rmSync(path);
    t.clock.advance(9_999);
    expect((await ready(t)).status).toBe(503); // the result is reused, so that requests cannot cause probes
    t.clock.advance(1);
    expect((await ready(t)).status).toBe(200);
    await t.stop();
  });
});

it('STORAGE=s3 requires the bucket and its keys', () => {
  const env = { NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), STORAGE: 's3' };
  expect(() => loadConfig(env)).toThrow(/S3_BUCKET is missing[^]*S3_ACCESS_KEY_ID is missing[^]*S3_SECRET_ACCESS_KEY/);
});
