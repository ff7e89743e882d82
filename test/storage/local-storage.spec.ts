import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, it } from 'vitest';
import { writeObjectFileSync } from '../../src/common/object-file.js';
import { LocalStorage } from '../../src/storage/local-storage.js';
import { keysOf, metadataOf, UNAVAILABLE } from '../support/storage.js';

const folder = mkdtempSync(join(tmpdir(), 'machi-storage-'));
afterAll(() => rmSync(folder, { recursive: true }));

const root = join(folder, 'root');
const storage = new LocalStorage(root);
const bytes = Buffer.from('x');

it('the local driver follows no symbolic link out of its folder', async () => {
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), '{"type":"text/plain","cache_control":""}\nsecret');
  await storage.put('links/real', bytes, metadataOf(bytes));
  symlinkSync(join(outside, 'secret'), join(root, 'links/file'));
  symlinkSync(outside, join(root, 'links/folder'));
  symlinkSync(outside, join(root, 'linked'));
  for (const key of ['links/file', 'links/folder/secret', 'linked/secret']) {
    await expect(storage.get(key)).rejects.toMatchObject(UNAVAILABLE);
    await expect(storage.head(key)).rejects.toMatchObject(UNAVAILABLE);
  }
  for (const key of ['links/folder/new', 'linked/new', 'linked/below/new']) {
    await expect(storage.put(key, bytes, metadataOf(bytes))).rejects.toMatchObject(UNAVAILABLE);
  }
  for (const key of ['links/folder/secret', 'linked/secret']) {
    await expect(storage.delete(key)).rejects.toMatchObject(UNAVAILABLE);
  }
  expect(await keysOf(storage.list('links/'))).toEqual(['links/real']);
  await storage.put('links/file', bytes, metadataOf(bytes)); // replaces the link, not its target
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toMatch(/secret$/);
});

it('the local driver creates its folder again after it was removed', async () => {
  const own = new LocalStorage(join(folder, 'removed'));
  await own.put('a/b', bytes, metadataOf(bytes));
  rmSync(join(folder, 'removed'), { recursive: true });
  expect(await own.get('a/b')).toBeNull();
  await expect(own.put('a/b', bytes, metadataOf(bytes))).rejects.toMatchObject(UNAVAILABLE);
  await own.put('a/b', bytes, metadataOf(bytes));
  expect(await own.head('a/b')).toMatchObject({ size: 1 });
});

it.each([
  ['cut off', -1, 'it has 2 of 3 bytes'],
  ['empty', -Infinity, 'it has no header'],
])('the local driver does not read a file that is %s, and names it', async (_, change, reason) => {
  const three = Buffer.from('xyz');
  await storage.put('damaged/put', three, metadataOf(three));
  writeObjectFileSync(join(await storage.findWorkFolder(), 'w'), three, { type: 'text/plain', cache_control: '' });
  await storage.moveAll([{ key: 'damaged/moved', path: 'w' }]);
  for (const key of ['damaged/put', 'damaged/moved']) {
    expect(await buffer((await storage.get(key))!.body)).toEqual(three);
    truncateSync(join(root, key), Math.max(0, statSync(join(root, key)).size + change));
    const cause = { message: `the stored file ${key} is damaged: ${reason}` };
    for (const read of ['get', 'head', 'findFile'] as const)
      await expect(storage[read](key)).rejects.toMatchObject({ ...UNAVAILABLE, cause });
  }
});

it('every method of the local driver throws storage_unavailable when its folder is a file, or is removed meanwhile', async () => {
  writeFileSync(join(folder, 'file'), '');
  const unusable = new LocalStorage(join(folder, 'file'));
  const results = await Promise.allSettled([
    unusable.put('a/b', bytes, metadataOf(bytes)),
    unusable.putAll([{ key: 'a/b', source: bytes, metadata: metadataOf(bytes) }]),
    unusable.putStream('a/b', Readable.from([bytes]), metadataOf(bytes)),
    unusable.findWorkFolder(),
    unusable.moveAll([{ key: 'a/b', path: 'b' }]),
    unusable.get('a/b'),
    unusable.head('a/b'),
    unusable.findFile('a/b'),
    unusable.delete('a/b'),
    unusable.deleteUnfinished('a/', new Date()),
    keysOf(unusable.list('')),
  ]);
  for (const result of results) {
    expect(result).toMatchObject({
      reason: { ...UNAVAILABLE, cause: { code: expect.stringMatching(/ENOTDIR|EEXIST/) } },
    });
  }
  const removed = new LocalStorage(join(folder, 'removed-meanwhile'));
  rmSync(await removed.findWorkFolder(), { recursive: true });
  await expect(removed.deleteUnfinished('a/', new Date())).rejects.toMatchObject({
    ...UNAVAILABLE,
    cause: { code: 'ENOENT' },
  });
});

it('the local driver leaves no unfinished files, and deletes old ones that a crash has left', async () => {
  const unfinished = join(root, '.unfinished');
  expect(readdirSync(unfinished)).toEqual([]);
  for (const name of ['old', 'new']) writeFileSync(join(unfinished, name), 'x');
  utimesSync(join(unfinished, 'old'), new Date(0), new Date(0));
  await storage.deleteUnfinished('a/', new Date(Date.now() - 3_600_000));
  expect(readdirSync(unfinished)).toEqual(['new']);
  expect(await keysOf(storage.list(''))).not.toContain('.unfinished/new');
});

it('the local driver stores files that other processes have written to its work folder, and deletes them when it fails', async () => {
  const work = await storage.findWorkFolder();
  const write = (name: string): string => {
    writeObjectFileSync(join(work, name), Buffer.from(name), { type: 'text/plain', cache_control: 'no-store' });
    return join(work, name);
  };
  const before = readdirSync(work);
  await storage.moveAll([
    { key: 'moved/one', path: write('one') },
    { key: 'moved/two', path: write('two') },
  ]);
  const { body, ...info } = (await storage.get('moved/two'))!;
  expect(info).toMatchObject({ size: 3, type: 'text/plain', cache_control: 'no-store' });
  expect(String(await buffer(body))).toBe('two');
  const mixed = [
    { key: 'moved/three', path: write('three') },
    { key: 'moved/one/below', path: write('below') }, // a file is no folder
  ];
  await expect(storage.moveAll(mixed)).rejects.toMatchObject(UNAVAILABLE);
  expect(readdirSync(work)).toEqual(before);
});

it('the local driver moves no file from outside of its work folder', async () => {
  const outside = join(folder, 'outside-file');
  writeFileSync(outside, '{"type":"text/plain","cache_control":""}\nsecret');
  await expect(storage.moveAll([{ key: 'moved/outside', path: outside }])).rejects.toMatchObject(UNAVAILABLE);
  symlinkSync(outside, join(await storage.findWorkFolder(), 'link'));
  await expect(storage.moveAll([{ key: 'moved/link', path: 'link' }])).rejects.toMatchObject(UNAVAILABLE);
  expect(await storage.head('moved/link')).toBeNull();
  expect(readFileSync(outside, 'utf8')).toMatch(/secret$/);
});

it('the local driver leaves no descriptor open, whether objects or ranges are read or destroyed', async () => {
  const large = randomBytes(200_000);
  await storage.put('fd/large', large, metadataOf(large));
  const count = () => readdirSync('/proc/self/fd').length;
  const before = count();
  for (let i = 0; i < 100; i++) {
    await storage.head('fd/large');
    await buffer((await storage.get('fd/large'))!.body);
    (await storage.get('fd/large', { start: 0, end: 150_000 }))!.body.destroy();
    await storage.get('fd/nothing');
  }
  await expect.poll(count).toBeLessThanOrEqual(before);
});
