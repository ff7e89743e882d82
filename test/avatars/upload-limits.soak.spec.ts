import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { jpegOf, MIB, uploadOutcome } from '../support/files/images.js';

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());

const outcome = (bytes: Buffer, part: object = {}) => uploadOutcome(t, user, bytes, part);

const flat = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#468' }, limitInputPixels: false });

const TYPE = 'multipart/form-data; boundary=x-boundary-x';

it('PUT /api/users/me/avatar accepts a file of exactly 5 MiB and answers 413 to larger ones', async () => {
  expect(await outcome(await jpegOf(5 * MIB))).toBe('accepted');
  expect(await outcome(await jpegOf(5 * MIB - 1))).toBe('accepted');
  for (const size of [5 * MIB + 1, 5 * MIB + 300_000, 20 * MIB]) {
    expect([size, await outcome(await jpegOf(size))]).toEqual([size, '413 file_too_large']);
  }
});

it('PUT /api/users/me/avatar answers 413 to an oversized Content-Length before the body arrives', async () => {
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

it('PUT /api/users/me/avatar answers 413 to an endless chunked body while it still arrives', async () => {
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
  await expect.poll(() => answer).toContain('file_too_large'); // while the client keeps sending
  socket.destroy();
});

it('PUT /api/users/me/avatar accepts 25 million pixels and refuses more without decoding them', async () => {
  expect(await outcome(await flat(5000, 5000).png().toBuffer())).toBe('accepted');
  for (const [format, width, height] of [
    ['png', 5001, 5000],
    ['png', 16_000, 16_000],
    ['jpeg', 5000, 5001],
    ['webp', 5001, 5000],
  ] as const) {
    const bytes = await flat(width, height)[format]().toBuffer();
    expect([format, await outcome(bytes)]).toEqual([format, '422 picture_too_large']);
  }
});

it('PUT /api/users/me/avatar accepts sides of 16,384 pixels and refuses longer ones, whatever the other side', async () => {
  for (const [width, height] of [
    [1, 16_384],
    [16_384, 1],
  ] as const) {
    expect(await outcome(await flat(width, height).png().toBuffer())).toBe('accepted');
  }
  for (const [width, height] of [
    [1, 16_385],
    [16_385, 1],
    [1, 1_000_000],
  ] as const) {
    expect(await outcome(await flat(width, height).png().toBuffer())).toBe('422 picture_too_large');
  }
});

it('PUT /api/users/me/avatar refuses an image whose header claims far more pixels than the file has', async () => {
  const png = await flat(10, 10).png().toBuffer();
  png.writeUInt32BE(0x7fffffff, 16);
  png.writeUInt32BE(0x7fffffff, 20);
  expect(await outcome(png)).toBe('422 picture_damaged'); // the checksum of the header is wrong, too
  const gif = await flat(10, 10).gif().toBuffer();
  const image = gif.indexOf(0x2c, 13 + 3 * 2 ** ((gif[10]! & 7) + 1));
  for (const at of [6, 8, image + 5, image + 7]) gif.writeUInt16LE(0xffff, at); // screen and frame
  expect(await outcome(gif)).toBe('422 picture_too_large');
});

it('PUT /api/users/me/avatar reads the first frame only of an animation with 100,000 frames', async () => {
  const gif = await flat(8, 8).gif().toBuffer();
  const image = gif.indexOf(0x2c, 13 + 3 * 2 ** ((gif[10]! & 7) + 1));
  const frame = gif.subarray(image, -1);
  const frames = Buffer.concat([
    gif.subarray(0, -1),
    ...Array.from({ length: 100_000 }, () => frame),
    gif.subarray(-1),
  ]);
  expect(frames.length).toBeLessThan(5 * MIB);
  expect(await outcome(frames)).toBe('accepted');
});

it('PUT /api/users/me/avatar does not unpack 200 MiB of compressed text in a PNG chunk', async () => {
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
    /^(accepted|422 picture_damaged)$/,
  );
});
