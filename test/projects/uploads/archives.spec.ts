import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { imageFile, MIB } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { stagedFiles, uploadsWorld } from '../../support/projects/uploads.js';
import { rounds } from '../../support/setup/rounds.js';
import { type ZipEntry, zipOf } from '../../support/files/zip.js';

let t: TestApp;
let uploads: ReturnType<typeof uploadsWorld>;
let upload: { user: SignedInUser; path: string };
let image: Buffer;
beforeAll(async () => {
  t = await startApp();
  uploads = uploadsWorld(t, await projectsWorld(t));
  upload = await uploads.open();
  image = await imageFile(1);
});
afterAll(() => t.stop());

/** A picture followed by zeros: it passes every check of its first bytes. */
const padded = (size: number): Buffer => Buffer.concat([image, Buffer.alloc(size - image.length)]);

const page = (name: string, fields: Partial<ZipEntry> = {}): ZipEntry => ({ name, data: image, ...fields });

const SYMLINK = 0o120777;

/** Archives that are refused, by the code of the problem. The good page before and behind must leave nothing behind. */
const HOSTILE: [what: string, code: string, make: () => ZipEntry[]][] = [
  ['"..", in a name', 'archive_entry_parent', () => [page('../evil.jpg')]],
  ['".." inside a path', 'archive_entry_parent', () => [page('a/../../evil.jpg')]],
  ['an absolute name', 'archive_entry_absolute', () => [page('/etc/evil.jpg')]],
  ['a drive letter', 'archive_entry_drive', () => [page('C:evil.jpg')]],
  ['a drive letter and a slash', 'archive_entry_drive', () => [page('c:/evil.jpg')]],
  ['a backslash', 'archive_entry_backslash', () => [page('a\\..\\evil.jpg')]],
  ['a NUL', 'archive_entry_nul', () => [page('evil.jpg\0.txt')]],
  ['a control character', 'archive_entry_name', () => [page('evil\n.jpg')]],
  ['a mark that turns the direction of text', 'archive_entry_name', () => [page('\u202egpj.evil')]],
  ['bytes that are not UTF-8', 'archive_entry_name', () => [page('', { name: Buffer.from([0xc3, 0x28, 0x2e, 0x6a]) })]],
  ['an empty name', 'archive_entry_name', () => [page('')]],
  ['a name of 300 characters', 'archive_entry_name', () => [page(`${'x'.repeat(300)}.jpg`)]],
  ['a symbolic link', 'archive_entry_link', () => [page('a.jpg', { data: Buffer.from('/etc/passwd'), mode: SYMLINK })]],
  ['a device', 'archive_entry_link', () => [page('a.jpg', { mode: 0o020666 })]],
  ['an encrypted entry', 'archive_entry_encrypted', () => [page('a.jpg', { flags: 1 })]],
  ['a strongly encrypted entry', 'archive_entry_encrypted', () => [page('a.jpg', { flags: 0x41 })]],
  ['an AES entry', 'archive_entry_method', () => [page('a.jpg', { method: 99 })]],
  ['an LZMA entry', 'archive_entry_method', () => [page('a.jpg', { method: 14 })]],
  ['two equal names', 'archive_entry_duplicate', () => [page('a.jpg'), page('a.jpg')]],
  ['names that differ in case', 'archive_entry_duplicate', () => [page('a.jpg'), page('A.JPG')]],
  ['names that differ in composition', 'archive_entry_duplicate', () => [page('é.jpg'), page('e\u0301.jpg')]],
  ['names that differ in "./"', 'archive_entry_duplicate', () => [page('a.jpg'), page('./a.jpg')]],
  ['an archive by its name', 'archive_entry_nested', () => [page('more.cbz')]],
  ['an archive by its bytes', 'archive_entry_nested', () => [page('a.jpg', { data: zipOf([page('b.jpg')]) })]],
  ['a gzip file by its bytes', 'archive_entry_nested', () => [page('a.jpg', { data: Buffer.from('1f8b0800', 'hex') })]],
  [
    'an entry that covers the next one',
    'archive_overlap',
    () => [page('a.jpg', { isDeflated: true, compressedSize: image.length + 1000 }), page('b.jpg')],
  ],
  ['two entries of one header', 'archive_overlap', () => [page('a.jpg'), page('b.jpg', { sameOffsetAs: 1 })]],
  ['an entry inside the directory', 'archive_damaged', () => [page('a.jpg', { offsetShift: 1_000_000 })]],
  ['another name in the local header', 'archive_damaged', () => [page('a.jpg', { localName: 'b.jpg' })]],
  ['an entry above 25 MiB', 'archive_entry_too_large', () => [page('a.jpg', { size: 25 * MIB + 1, isDeflated: true })]],
  [
    'an entry compressed 1000 times',
    'archive_entry_ratio',
    () => [page('a.jpg', { data: padded(5 * MIB), isDeflated: true })],
  ],
  [
    'an entry with more bytes than declared',
    'archive_entry_size',
    () => [page('a.jpg', { data: padded(20 * MIB), isDeflated: true, size: 100 })],
  ],
  [
    'an entry with fewer bytes than declared',
    'archive_entry_size',
    () => [page('a.jpg', { isDeflated: true, size: image.length + 1 })],
  ],
  ['a stored entry of two sizes', 'archive_entry_size', () => [page('a.jpg', { size: image.length - 1 })]],
  ['a wrong checksum', 'archive_entry_damaged', () => [page('a.jpg', { crc: 1 })]],
  [
    'bytes that do not inflate',
    'archive_entry_damaged',
    () => [page('a.jpg', { isDeflated: true, packed: Buffer.alloc(50, 7) })],
  ],
  [
    'a deflated entry that breaks off',
    'archive_entry_damaged',
    () => [page('a.jpg', { isDeflated: true, packed: deflateRawSync(image).subarray(0, 500) })],
  ],
  ['an entry that is no picture', 'archive_entry_picture', () => [page('a.jpg', { data: Buffer.from('<svg/>') })]],
  ['an empty entry', 'archive_entry_picture', () => [page('a.jpg', { data: Buffer.alloc(0) })]],
];

describe('an archive', () => {
  it.each(HOSTILE)('with %s is refused with %s, and nothing of it stays', async (_, code, make) => {
    const entries = [page('000.jpg'), ...make(), page('zzz.jpg')];
    const { status, body } = await uploads.addArchive(upload, zipOf(entries));
    expect([status, body.code], JSON.stringify(body)).toEqual([422, code]);
    if (code.startsWith('archive_entry_')) expect(typeof body.entry).toBe('string');
    expect((await uploads.read(upload)).body).toMatchObject({ files: [], total: 0, byte_count: 0 });
    expect(stagedFiles(t)).toEqual([]);
  });

  it('with 501 entries is refused by its end record, also when that lies', async () => {
    const entries = Array.from({ length: 501 }, (_, i) => page(`${i}.jpg`, { data: Buffer.from('x') }));
    expect((await uploads.addArchive(upload, zipOf(entries))).body.code).toBe('archive_too_many_entries');
    expect((await uploads.addArchive(upload, zipOf(entries, { count: 500 }))).body.code).toBe('archive_damaged');
  });

  it('whose entries declare more than 300 MiB together is refused before any is unpacked', async () => {
    const entries = Array.from({ length: 13 }, (_, i) =>
      page(`${i}.jpg`, { size: 24 * MIB, isDeflated: true, packed: Buffer.alloc(250 * 1024) }),
    );
    expect((await uploads.addArchive(upload, zipOf(entries))).body.code).toBe('archive_too_large_unpacked');
  });

  it.each([
    ['no zip archive', 415, 'archive_expected', () => Buffer.from('Rar!\x1a\x07\x01\0')],
    ['nothing', 415, 'archive_expected', () => Buffer.alloc(0)],
    ['half an archive', 422, 'archive_damaged', () => zipOf([page('1.jpg')]).subarray(0, 1000)],
    ['an archive without pages', 422, 'archive_empty', () => zipOf([{ name: 'ComicInfo.xml' }, { name: 'a/' }])],
    ['an empty archive', 422, 'archive_empty', () => Buffer.from(`PK\x05\x06${'\0'.repeat(18)}`)],
  ])('that is %s is refused with %i %s', async (_, status, code, make) => {
    const answer = await uploads.addArchive(upload, make());
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(stagedFiles(t)).toEqual([]);
  });

  it('of another media type, or in a content encoding, is not read', async () => {
    const zip = new Uint8Array(zipOf([page('1.jpg')]));
    for (const [headers, body] of [
      [{ 'content-type': 'text/plain' }, zip],
      [{ 'content-type': 'application/zip', 'content-encoding': 'gzip' }, zip],
      [{ 'content-type': 'application/json' }, zip],
      [{ 'content-type': 'application/json' }, '{}'],
    ] as const) {
      const answer = await uploads.send(upload.user, 'PUT', `${upload.path}/archive`, { body, headers });
      expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    }
  });

  it('that unpacks to 24 MiB is refused again and again, with other requests served and the memory flat', async () => {
    const bomb = zipOf([
      page('000.jpg'),
      page('a.jpg', { data: padded(24 * MIB), isDeflated: true, packed: PACKED(), crc: 1 }),
    ]);
    const users = [upload, await uploads.open()];
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
    for (let round = 0; round < rounds(1, 20); round++) {
      const answers = Promise.all(users.map((user) => uploads.addArchive(user, bomb)));
      expect((await t.request('GET', '/api/misc/ping')).status).toBe(200);
      for (const { body } of await answers) expect(body.code).toBe('archive_entry_damaged');
    }
    clearInterval(watch);
    expect((peak - before) / MIB).toBeLessThan(100);
    expect(stagedFiles(t)).toEqual([]);
  });
});

/** 24 MiB that are compressed a little less than 100 times. */
const PACKED = (): Buffer => Buffer.concat([deflateRawSync(padded(24 * MIB)), Buffer.alloc(250 * 1024)]);
