import { randomBytes } from 'node:crypto';
import type { JpegOptions } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { type Format, FORMATS, get, imageFile, jpegOf, scene, upload, uploadOutcome } from '../support/files/images.js';

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());

const outcome = (bytes: Buffer, part: object = {}) => uploadOutcome(t, user, bytes, part);

/** The stored files of all sizes, concatenated. */
async function storedBytes(bytes: Buffer): Promise<Buffer> {
  const { status, body } = await upload(t, user, bytes);
  expect(status).toBe(202);
  const all = await Promise.all(
    Object.values(body['urls'] as Record<string, string>).map((url) => get(t, url, user.token)),
  );
  return Buffer.concat(all.map((answer) => answer.bytes));
}

it.each(FORMATS)(
  'an upload of a %s is recognised by its first bytes, for any file name and media type',
  async (format) => {
    for (const part of [
      { name: 'a.svg', type: 'image/svg+xml' },
      { name: '../../../etc/passwd', type: 'text/html' },
      { name: 'a.exe', type: '' },
      { name: `${'x'.repeat(3000)}.png`, type: 'application/octet-stream' },
      { name: 'нет имени 😀', type: 'image/png; charset=utf-8' },
    ]) {
      expect(await outcome(await imageFile(1, format), part)).toBe('accepted');
    }
    expect(await outcome(await imageFile(1, format), { name: 'a\0.exe' })).toBe('400 malformed_multipart');
  },
);

it.each<[string, Buffer]>([
  [
    'an SVG',
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'),
  ],
  ['an SVG with a declaration', Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')],
  ['an HTML page', Buffer.from('<!doctype html><script>alert(1)</script>')],
  ['a PDF', Buffer.from('%PDF-1.7\n')],
  ['an archive', Buffer.from('PK\x03\x04')],
  ['a script', Buffer.from('#!/bin/sh\n')],
  ['a TIFF', Buffer.from('II*\0\x08\0\0\0')],
  ['a BMP', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)])],
  ['a JPEG XL', Buffer.from('\xff\x0a', 'latin1')],
  ['a HEIC', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
  ['a video', Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1')],
  ['an empty file', Buffer.alloc(0)],
  ['one byte', Buffer.from('\xff', 'latin1')],
  ['random bytes', randomBytes(1000)],
  ['zero bytes', Buffer.alloc(1000)],
  ['text before an image', Buffer.from(' \xff\xd8\xff\xe0', 'latin1')],
])('an upload of %s answers unsupported_picture', async (_, bytes) => {
  expect(await outcome(bytes, { name: 'me.png', type: 'image/png' })).toBe('415 unsupported_picture');
});

it('an upload with a valid signature and other content answers picture_damaged', async () => {
  const heads: Record<string, Buffer> = {
    jpeg: Buffer.from('\xff\xd8\xff\xe0', 'latin1'),
    png: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    gif: Buffer.from('GIF89a', 'latin1'),
    webp: Buffer.from('RIFF\x24\0\0\0WEBP', 'latin1'),
    avif: Buffer.from('\0\0\0\x18ftypavif\0\0\0\0mif1avif', 'latin1'),
  };
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  for (const [format, head] of Object.entries(heads)) {
    for (const rest of [
      Buffer.alloc(0),
      svg,
      randomBytes(5000),
      await imageFile(2, 'jpeg'),
      await imageFile(2, 'png'),
    ]) {
      expect([format, await outcome(Buffer.concat([head, rest]))]).toEqual([format, '422 picture_damaged']);
    }
  }
});

const PAYLOAD = '<script>alert("polyglot")</script><?php system("id"); ?>PK\x03\x04polyglot';

it.each(FORMATS)('an upload of a %s loses metadata and appended data', async (format) => {
  const tagged = scene(3)
    .withExif({ IFD0: { Copyright: PAYLOAD } })
    .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/">polyglot</x:xmpmeta>');
  const bytes = await tagged[format]().toBuffer();
  const all = await storedBytes(Buffer.concat([bytes, Buffer.from(PAYLOAD)]));
  for (const trace of ['polyglot', 'script', 'PK\x03\x04', 'EXIF', 'Exif', 'XMP', 'adobe'])
    expect([trace, all.includes(trace)]).toEqual([trace, false]);
});

it('an upload loses comments and unknown chunks', async () => {
  const all = await storedBytes(await jpegOf(100_000));
  expect(all.length).toBeLessThan(100_000);
  const gif = await imageFile(4, 'gif');
  const comment = Buffer.from(`\x21\xfe\x08polyglot\0`, 'latin1');
  const withComment = Buffer.concat([gif.subarray(0, gif.length - 1), comment, gif.subarray(-1)]);
  expect((await storedBytes(withComment)).includes('polyglot')).toBe(false);
});

/** Browsers show a JPEG and a GIF without the marker that ends them. */
const END_MARKER_BYTES: Record<Format, number> = { jpeg: 2, gif: 1, png: 0, webp: 0, avif: 0 };

describe.each(FORMATS)('a broken %s', (format: Format) => {
  it('that is truncated is refused, at any length and aspect ratio, unless only its end marker is missing', async () => {
    for (const [width, height] of [
      [200, 200],
      [120, 480],
      [480, 120],
    ] as const) {
      const bytes = await scene(5, width, height)[format]().toBuffer();
      for (const share of [0.2, 0.5, 0.8, 0.95]) {
        expect([width, share, await outcome(bytes.subarray(0, bytes.length * share))]).toEqual([
          width,
          share,
          '422 picture_damaged',
        ]);
      }
      for (const missing of [1, 2, 3, 10]) {
        expect([width, missing, await outcome(bytes.subarray(0, -missing))]).toEqual([
          width,
          missing,
          missing <= END_MARKER_BYTES[format] ? 'accepted' : '422 picture_damaged',
        ]);
      }
    }
  });

  it('with random bytes changed is accepted or refused, and the next upload succeeds', async () => {
    const bytes = await imageFile(6, format);
    for (let round = 0; round < 25; round++) {
      const broken = Buffer.from(bytes);
      for (let i = 0; i < 1 + round; i++)
        broken[16 + Math.floor(Math.random() * (bytes.length - 16))] = Math.floor(Math.random() * 256);
      expect(await outcome(broken)).toMatch(/^(accepted|422 picture_(damaged|too_large)|415 unsupported_picture)$/);
    }
    expect(await outcome(bytes)).toBe('accepted');
  });
});

describe.each([
  ['baseline', {}],
  ['progressive', { progressive: true }],
  ['baseline grey', { isGrey: true }],
])('a %s JPEG without its end marker', (_, { isGrey = false, ...options }: JpegOptions & { isGrey?: boolean }) => {
  const make = (width: number, height: number) => scene(8, width, height).greyscale(isGrey).jpeg(options).toBuffer();

  it('is accepted when its image data is complete', async () => {
    for (const [width, height] of [
      [300, 300],
      [1000, 700],
      [5, 5],
    ] as const) {
      const bytes = await make(width, height);
      expect(bytes.subarray(-2)).toEqual(Buffer.from([0xff, 0xd9]));
      expect([width, await outcome(bytes.subarray(0, -2))]).toEqual([width, 'accepted']);
    }
  });

  it('is refused when its image data is truncated, also by a few bytes and between scans', async () => {
    const bytes = await make(300, 300);
    for (const missing of [4, 5, 6, 8, 12, 20, 50, 200, 1000]) {
      expect([missing, await outcome(bytes.subarray(0, -missing))]).toEqual([missing, '422 picture_damaged']);
    }
    const START_OF_SCAN = Buffer.from([0xff, 0xda]);
    const scans: number[] = [];
    for (let at = bytes.indexOf(START_OF_SCAN); at >= 0; at = bytes.indexOf(START_OF_SCAN, at + 2)) scans.push(at);
    for (const at of scans) expect([at, await outcome(bytes.subarray(0, at))]).toEqual([at, '422 picture_damaged']);
  });
});
