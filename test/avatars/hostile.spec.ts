import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { call, file, get, jpegOf, type Kind, KINDS, MIB, scene, upload } from '../support/images.js';

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());

const outcome = async (bytes: Buffer, part: object = {}) => {
  const { status, body } = await upload(t, user, bytes, part);
  return status === 202 ? 'taken' : `${status} ${body['code']}`;
};

/** What it was made into, as one string of all bytes. */
async function made(bytes: Buffer): Promise<Buffer> {
  const { status, body } = await upload(t, user, bytes);
  expect(status).toBe(202);
  const all = await Promise.all(
    Object.values(body['urls'] as Record<string, string>).map((url) => get(t, url, user.token)),
  );
  return Buffer.concat(all.map((answer) => answer.bytes));
}

const flat = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#468' }, limitInputPixels: false });

describe('the size', () => {
  it('of 5 MiB is taken, a byte more is not, nor is much more', async () => {
    expect(await outcome(await jpegOf(5 * MIB))).toBe('taken');
    expect(await outcome(await jpegOf(5 * MIB - 1))).toBe('taken');
    for (const size of [5 * MIB + 1, 5 * MIB + 300_000, 20 * MIB]) {
      expect([size, await outcome(await jpegOf(size))]).toEqual([size, '413 file_too_large']);
    }
  });

  it('that is announced as too much is refused before it arrives', async () => {
    const socket = connect(t.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk))).on('error', () => undefined);
    socket.write(
      `PUT /api/users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n` +
        `Content-Type: ${TYPE}\r\nContent-Length: ${6 * MIB}\r\n\r\n`,
    );
    await expect.poll(() => answer).toContain('file_too_large');
    socket.destroy();
  });

  it('is held against what arrives, not against what was announced', async () => {
    const boundary = 'b'.repeat(20);
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="avatar"; filename="a.jpg"\r\n\r\n`;
    const socket = connect(t.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk))).on('error', () => undefined);
    socket.write(
      `PUT /api/users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n` +
        `Content-Type: multipart/form-data; boundary=${boundary}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const write = (bytes: Buffer) =>
      new Promise((resolve) => {
        socket.write(
          Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
          resolve,
        );
      });
    await write(Buffer.from(head));
    for (let sent = 0; sent < 40 && socket.writable; sent++) await write(randomBytes(MIB));
    await expect.poll(() => answer).toContain('file_too_large'); // though it goes on and on
    socket.destroy();
  });
});

describe('the kind', () => {
  it.each(KINDS)('of a %s is told by its first bytes, whatever it says it is', async (kind) => {
    for (const part of [
      { name: 'a.svg', type: 'image/svg+xml' },
      { name: '../../../etc/passwd', type: 'text/html' },
      { name: 'a.exe', type: '' },
      { name: `${'x'.repeat(3000)}.png`, type: 'application/octet-stream' },
      { name: 'нет имени 😀', type: 'image/png; charset=utf-8' },
    ]) {
      expect(await outcome(await file(1, kind), part)).toBe('taken');
    }
    expect(await outcome(await file(1, kind), { name: 'a\0.exe' })).toBe('400 malformed_multipart');
  });

  it.each<[string, Buffer]>([
    [
      'an SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'),
    ],
    ['an SVG with a declaration', Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a page', Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['a PDF', Buffer.from('%PDF-1.7\n')],
    ['an archive', Buffer.from('PK\x03\x04')],
    ['a script', Buffer.from('#!/bin/sh\n')],
    ['a TIFF', Buffer.from('II*\0\x08\0\0\0')],
    ['a BMP', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)])],
    ['a JPEG XL', Buffer.from('\xff\x0a', 'latin1')],
    ['a HEIC', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
    ['a film', Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1')],
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('\xff', 'latin1')],
    ['noise', randomBytes(1000)],
    ['zeros', Buffer.alloc(1000)],
    ['text before a picture', Buffer.from(' \xff\xd8\xff\xe0', 'latin1')],
  ])('%s is none', async (_, bytes) => {
    expect(await outcome(bytes, { name: 'me.png', type: 'image/png' })).toBe('415 unsupported_picture');
  });

  it('of a lying head is found out', async () => {
    const heads: Record<string, Buffer> = {
      jpeg: Buffer.from('\xff\xd8\xff\xe0', 'latin1'),
      png: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      gif: Buffer.from('GIF89a', 'latin1'),
      webp: Buffer.from('RIFF\x24\0\0\0WEBP', 'latin1'),
      avif: Buffer.from('\0\0\0\x18ftypavif\0\0\0\0mif1avif', 'latin1'),
    };
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    for (const [kind, head] of Object.entries(heads)) {
      for (const rest of [Buffer.alloc(0), svg, randomBytes(5000), await file(2, 'jpeg'), await file(2, 'png')]) {
        expect([kind, await outcome(Buffer.concat([head, rest]))]).toEqual([kind, '422 picture_damaged']);
      }
    }
  });
});

describe('what rides along', () => {
  const payload = '<script>alert("polyglot")</script><?php system("id"); ?>PK\x03\x04polyglot';

  it.each(KINDS)('is gone from a %s', async (kind) => {
    const bytes = await scene(3).withExif({ IFD0: { Copyright: payload } }).withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/">polyglot</x:xmpmeta>')[kind]().toBuffer(); // prettier-ignore
    const all = await made(Buffer.concat([bytes, Buffer.from(payload)]));
    for (const trace of ['polyglot', 'script', 'PK\x03\x04', 'EXIF', 'Exif', 'XMP', 'adobe']) expect([trace, all.includes(trace)]).toEqual([trace, false]); // prettier-ignore
  });

  it('is gone from comments and foreign chunks', async () => {
    const all = await made(await jpegOf(100_000));
    expect(all.length).toBeLessThan(100_000);
    const gif = await file(4, 'gif');
    const comment = Buffer.from(`\x21\xfe\x08polyglot\0`, 'latin1');
    const withComment = Buffer.concat([gif.subarray(0, gif.length - 1), comment, gif.subarray(-1)]);
    expect((await made(withComment)).includes('polyglot')).toBe(false);
  });
});

describe('a bomb', () => {
  it('of 25 million pixels is taken, of more it is not even decoded', async () => {
    expect(await outcome(await flat(5000, 5000).png().toBuffer())).toBe('taken');
    for (const [kind, width, height] of [
      ['png', 5001, 5000],
      ['png', 16_000, 16_000],
      ['jpeg', 5000, 5001],
      ['webp', 5001, 5000],
    ] as const) {
      const bytes = await flat(width, height)[kind]().toBuffer();
      expect([kind, await outcome(bytes)]).toEqual([kind, '422 picture_too_large']);
    }
  }, 120_000);

  it('that claims far more pixels than it has is found out by its header', async () => {
    const png = await flat(10, 10).png().toBuffer();
    png.writeUInt32BE(0x7fffffff, 16);
    png.writeUInt32BE(0x7fffffff, 20);
    expect(await outcome(png)).toBe('422 picture_damaged'); // the checksum of the header is wrong, too
    const gif = await flat(10, 10).gif().toBuffer();
    const image = gif.indexOf(0x2c, 13 + 3 * 2 ** ((gif[10]! & 7) + 1));
    for (const at of [6, 8, image + 5, image + 7]) gif.writeUInt16LE(0xffff, at); // screen and frame
    expect(await outcome(gif)).toBe('422 picture_too_large');
  });

  it('of thousands of frames counts by its first', async () => {
    const gif = await flat(8, 8).gif().toBuffer();
    const image = gif.indexOf(0x2c, 13 + 3 * 2 ** ((gif[10]! & 7) + 1));
    const frame = gif.subarray(image, -1);
    const frames = Buffer.concat([
      gif.subarray(0, -1),
      ...Array.from({ length: 100_000 }, () => frame),
      gif.subarray(-1),
    ]);
    expect(frames.length).toBeLessThan(5 * MIB);
    expect(await outcome(frames)).toBe('taken');
  });

  it('of compressed text is not unpacked', async () => {
    const { deflateSync, crc32 } = await import('node:zlib');
    const png = await flat(10, 10).png().toBuffer();
    const text = Buffer.concat([
      Buffer.from('zTXtcomment\0\0', 'latin1'),
      deflateSync(Buffer.alloc(200 * MIB), { level: 9 }),
    ]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(text.length - 4);
    checksum.writeUInt32BE(crc32(text));
    const chunk = Buffer.concat([length, text, checksum]);
    expect(await outcome(Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]))).toMatch(
      /^(taken|422 picture_damaged)$/,
    );
  });
});

describe.each(KINDS)('a broken %s', (kind: Kind) => {
  it('that is cut off is refused, wherever, and however it will be cropped', async () => {
    for (const [width, height] of [
      [200, 200],
      [120, 480],
      [480, 120],
    ] as const) {
      const bytes = await scene(5, width, height)[kind]().toBuffer();
      for (const share of [0.2, 0.5, 0.8, 0.95]) {
        expect([width, share, await outcome(bytes.subarray(0, bytes.length * share))]).toEqual([
          width,
          share,
          '422 picture_damaged',
        ]);
      }
      for (const missing of [1, 2, 10]) {
        expect([width, missing, await outcome(bytes.subarray(0, -missing))]).toEqual([
          width,
          missing,
          '422 picture_damaged',
        ]);
      }
    }
  });

  it('with bytes changed at random brings nothing down', async () => {
    const bytes = await file(6, kind);
    for (let round = 0; round < 25; round++) {
      const broken = Buffer.from(bytes);
      for (let i = 0; i < 1 + round; i++)
        broken[16 + Math.floor(Math.random() * (bytes.length - 16))] = Math.floor(Math.random() * 256);
      expect(await outcome(broken)).toMatch(/^(taken|422 picture_(damaged|too_large)|415 unsupported_picture)$/);
    }
    expect(await outcome(bytes)).toBe('taken');
  });
});

const B = 'x-boundary-x';
const PART = `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`;
const END = `\r\n--${B}--\r\n`;
const TYPE = `multipart/form-data; boundary=${B}`;
const NO_FILE = '400 no_file';
const MALFORMED = '400 malformed_multipart';

/** Content-Type, body (`JPEG` stands for a picture), what it gets. */
const BROKEN: [name: string, type: string, body: string, expected: string | RegExp][] = [
  ['a form as it should be', TYPE, `${PART}JPEG${END}`, 'taken'],
  ['text before and after', TYPE, `before\r\n${PART}JPEG${END}after`, 'taken'],
  ['a quoted boundary', `multipart/form-data; boundary="${B}"`, `${PART}JPEG${END}`, 'taken'],
  ['no boundary', 'multipart/form-data', `${PART}JPEG${END}`, MALFORMED],
  ['an empty boundary', 'multipart/form-data; boundary=', `${PART}JPEG${END}`, MALFORMED],
  ['another boundary', 'multipart/form-data; boundary=other', `${PART}JPEG${END}`, MALFORMED],
  ['an endless boundary', `multipart/form-data; boundary=${'b'.repeat(7000)}`, `${PART}JPEG${END}`, MALFORMED],
  ['no end', TYPE, `${PART}JPEG`, MALFORMED],
  ['half an end', TYPE, `${PART}JPEG\r\n--${B}`, MALFORMED],
  ['an end alone', TYPE, `--${B}--\r\n`, /^400/],
  ['nothing', TYPE, '', MALFORMED],
  ['a line', TYPE, '\r\n', MALFORMED],
  ['a beginning alone', TYPE, `--${B}`, MALFORMED],
  ['half a head', TYPE, `--${B}\r\nContent-Disposition: form-data; name="ava`, MALFORMED],
  ['a part without a head', TYPE, `--${B}\r\n\r\nJPEG${END}`, /^400/],
  ['a part without a disposition', TYPE, `--${B}\r\nContent-Type: image/jpeg\r\n\r\nJPEG${END}`, NO_FILE],
  ['an attachment', TYPE, `--${B}\r\nContent-Disposition: attachment; filename="a.jpg"\r\n\r\nJPEG${END}`, NO_FILE],
  ['a part without a file name', TYPE, `--${B}\r\nContent-Disposition: form-data; name="avatar"\r\n\r\nabc${END}`, NO_FILE],
  ['a part without a name', TYPE, `--${B}\r\nContent-Disposition: form-data\r\n\r\nabc${END}`, MALFORMED],
  ['a head of 100 KB', TYPE, `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="${'a'.repeat(100_000)}"\r\n\r\nJPEG${END}`, MALFORMED],
  ['a hundred heads', TYPE, `--${B}\r\n${'X-A: b\r\n'.repeat(100)}Content-Disposition: form-data; name="avatar"; filename="a"\r\n\r\nJPEG${END}`, 'taken'],
  ['two files', TYPE, `${PART}JPEG\r\n${PART}JPEG${END}`, MALFORMED],
  ['a thousand parts', TYPE, `${`--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n`.repeat(1000)}--${B}--\r\n`, MALFORMED],
  ['one field twice', TYPE, `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n`.repeat(2) + `--${B}--\r\n`, MALFORMED],
  ['a field of 5 KB', TYPE, `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${'b'.repeat(5000)}${END}`, MALFORMED],
  ['a field with NUL', TYPE, `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\0c${END}`, '400 invalid_text'],
  ['a field that every object has', TYPE, `--${B}\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nb${END}`, '422 validation_failed'],
  ['a file of another name', TYPE, `--${B}\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\nJPEG${END}`, NO_FILE],
  ['an empty file', TYPE, `${PART}${END}`, '415 unsupported_picture'],
  ['a form in a form', TYPE, `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="b"\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nJPEG\r\n--in--${END}`, '415 unsupported_picture'],
  ['base64', TYPE, `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="b"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQSkZJRg==${END}`, '415 unsupported_picture'],
  ['line ends of Unix', TYPE, `${PART}JPEG${END}`.replaceAll('\r\n', '\n'), /^4/],
  ['multipart/mixed', `multipart/mixed; boundary=${B}`, `${PART}JPEG${END}`, '415 unsupported_media_type'],
  ['a picture without a form', 'image/jpeg', 'JPEG', '415 unsupported_media_type'],
  ['a urlencoded form', 'application/x-www-form-urlencoded', 'avatar=x', '415 unsupported_media_type'],
  ['no type', '', `${PART}JPEG${END}`, '415 unsupported_media_type'],
]; // prettier-ignore

async function send(type: string, text: string, jpeg: Buffer): Promise<string> {
  const parts = text.split('JPEG').flatMap((part, i) => [...(i > 0 ? [jpeg] : []), Buffer.from(part)]);
  const response = await fetch(`${t.url}/api/users/me/avatar`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${user.token}`, 'content-type': type },
    body: new Uint8Array(Buffer.concat(parts)),
  });
  const { code } = (await response.json()) as { code?: string };
  return response.status === 202 ? 'taken' : `${response.status} ${code}`;
}

describe('a form', () => {
  it.each(BROKEN)('with %s', async (_, type, text, expected) => {
    const got = await send(type, text, await file(7));
    if (typeof expected === 'string') expect(got).toBe(expected);
    else expect(got).toMatch(expected);
  });

  it('with fields of more names than are taken', async () => {
    const field = (_: unknown, i: number) => `--${B}\r\nContent-Disposition: form-data; name="a${i}"\r\n\r\nb\r\n`;
    const fields = (count: number) => `${Array.from({ length: count }, field).join('')}--${B}--\r\n`;
    expect(await send(TYPE, fields(20), Buffer.alloc(0))).toBe(NO_FILE);
    expect(await send(TYPE, fields(21), Buffer.alloc(0))).toBe(MALFORMED);
  });

  it('with a field that is no text in its charset', async () => {
    for (const [charset, value] of [
      ['utf-8', 'Hana \x80\xff'],
      ['utf-8', 'Hana \xed\xa0\x80'], // half of a surrogate pair
      ['unheard-of', 'Hana \xff'],
    ] as const) {
      const head = `--${B}\r\nContent-Disposition: form-data; name="fullname"\r\nContent-Type: text/plain; charset=${charset}\r\n\r\n`;
      const body = Buffer.from(`${head}${value}${END}`, 'latin1');
      const answer = await call(t, 'PATCH', '/api/users/me', user.token, { body: new Uint8Array(body), headers: { 'content-type': TYPE } }); // prettier-ignore
      expect(answer.body).toMatchObject({ status: 400, code: 'invalid_text' });
    }
  });

  it('that is compressed is refused', async () => {
    const headers = { authorization: `Bearer ${user.token}`, 'content-type': TYPE, 'content-encoding': 'gzip' };
    const response = await fetch(`${t.url}/api/users/me/avatar`, { method: 'PUT', headers, body: `${PART}x${END}` });
    expect(((await response.json()) as { code: string }).code).toBe('form_expected');
  });
});

/** Announces more than it sends, and goes. */
async function breakOff(token: string, sent: Buffer): Promise<void> {
  const socket = connect(t.port, '127.0.0.1');
  await once(socket, 'connect');
  const head = `PUT /api/users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${TYPE}\r\nContent-Length: 1000000\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), sent]));
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
}

it('a thousand broken, hostile and broken-off uploads leave no file, descriptor or worker behind', async () => {
  const jpeg = await file(8);
  const cut = jpeg.subarray(0, jpeg.length / 2);
  const descriptors = (isSocket: boolean) =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:') === isSocket;
      } catch {
        return false; // the listing's own
      }
    }).length;
  const kept = () => readdirSync(join(t.config.STORAGE_DIR, 'avatars'), { recursive: true }).filter((name) => String(name).endsWith('.webp')).length; // prettier-ignore
  expect(await outcome(jpeg)).toBe('taken'); // all workers and connections that there will be
  await Promise.all(Array.from({ length: 4 }, () => outcome(jpeg)));
  await t.warmUp();
  await expect.poll(kept).toBe(4);
  const before = [descriptors(false), descriptors(true)] as const;
  let refused = 0;
  for (let round = 0; round < 250; round++) {
    const [, type, text] = BROKEN[round % BROKEN.length]!;
    const answers = await Promise.all([
      send(type, text, cut),
      outcome(cut),
      outcome(randomBytes(2000)),
      breakOff(user.token, Buffer.concat([Buffer.from(PART), cut])).then(() => 'broken off'),
    ]);
    refused += answers.filter((answer) => answer !== 'taken').length;
  }
  expect(refused).toBe(1000);
  await expect.poll(kept).toBe(4); // the one that waits
  expect(readdirSync(join(t.config.STORAGE_DIR, '.unfinished'))).toEqual([]);
  await expect.poll(() => descriptors(false)).toBeLessThanOrEqual(before[0]);
  await expect.poll(() => descriptors(true)).toBeLessThanOrEqual(before[1]);
  expect(await outcome(jpeg)).toBe('taken'); // and the gate is free
}, 300_000);
