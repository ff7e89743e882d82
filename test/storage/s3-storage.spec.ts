import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import type { Storage } from '../../src/storage/storage.js';
import { keysOf, metadataOf, UNAVAILABLE } from '../support/storage.js';

const SETTINGS = {
  STORAGE: 's3',
  S3_BUCKET: 'machi',
  S3_ACCESS_KEY_ID: 'MACHI-TEST-KEY',
  S3_SECRET_ACCESS_KEY: 'test secret',
  S3_FORCE_PATH_STYLE: 'true',
};

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
    loadConfig({ NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), ...SETTINGS, S3_ENDPOINT: endpoint }),
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
])('the s3 driver throws storage_unavailable when the server answers with %s', async (_, status, headers, text) => {
  answer = (response) => response.writeHead(status, { ...headers }).end(text);
  await expect(store.put('a/b', bytes, metadataOf(bytes))).rejects.toMatchObject(UNAVAILABLE);
  await expect(keysOf(store.list('a/'))).rejects.toMatchObject(UNAVAILABLE);
});

it('the s3 driver throws storage_unavailable when something else answers 200 to what it stores', async () => {
  answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
  await expect(store.put('a/b', bytes, metadataOf(bytes))).rejects.toMatchObject(UNAVAILABLE);
  await expect(store.putStream('a/b', Readable.from([bytes]), metadataOf(bytes))).rejects.toMatchObject(UNAVAILABLE);
});

it('the s3 driver throws storage_unavailable for an object of unknown length', async () => {
  answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>'); // in chunks
  await expect(store.get('a/b')).rejects.toMatchObject(UNAVAILABLE);
  await expect(store.get('a/b', { start: 0, end: 1 })).rejects.toMatchObject(UNAVAILABLE);
});

it('the s3 driver aborts old uploads in parts of the folder only, as the bucket may have others', async () => {
  const hourAgo = new Date(Date.now() - 3_600_000);
  const uploads = ['exports/old.zip', 'exports/new.zip', 'backups of another application', 'Exports/x', 'avatars/4f/x'];
  const listed = uploads.map((key) => {
    const initiated = (key === 'exports/new.zip' ? new Date() : new Date(0)).toISOString();
    return `<Upload><Key>${key}</Key><UploadId>1</UploadId><Initiated>${initiated}</Initiated></Upload>`;
  });
  const requests: string[] = [];
  answer = (response) => {
    const { method, url } = response.req;
    const { pathname, searchParams } = new URL(url!, 'http://s3');
    requests.push(`${method} ${pathname} ${searchParams.get('prefix') ?? ''}`);
    if (method === 'DELETE') return response.writeHead(204).end();
    return response.end(`<ListMultipartUploadsResult>${listed.join('')}</ListMultipartUploadsResult>`);
  };
  await store.deleteUnfinished('exports/', hourAgo);
  expect(requests).toEqual(['GET /machi/ exports/', 'DELETE /machi/exports/old.zip ']);
});

it('STORAGE=s3 requires the bucket and its keys', () => {
  const env = { NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), STORAGE: 's3' };
  expect(() => loadConfig(env)).toThrow(/S3_BUCKET is missing[^]*S3_ACCESS_KEY_ID is missing[^]*S3_SECRET_ACCESS_KEY/);
});
