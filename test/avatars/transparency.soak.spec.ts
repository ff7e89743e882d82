import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { get, upload } from '../support/files/images.js';

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());

/** The middle pixel of each stored size, as red, green, blue, alpha. */
async function storedColours(bytes: Buffer): Promise<number[][]> {
  const { body } = await upload(t, user, bytes);
  return Promise.all(
    Object.entries(body['urls'] as Record<string, string>).map(async ([size, url]) => {
      const image = await get(t, url, user.token);
      const pixels = await sharp(image.bytes).ensureAlpha().raw().toBuffer();
      const middle = 4 * ((Number(size) / 2) * Number(size) + Number(size) / 2);
      return [...pixels.subarray(middle, middle + 4)];
    }),
  );
}

/** WebP is lossy: a channel may differ by 3. Alpha is stored without loss. */
async function expectColour(bytes: Buffer, [red, green, blue, alpha]: readonly number[]): Promise<void> {
  const near = (value: number): object => expect.closeTo(value, -Math.log10(2 * 3.5));
  const colour = [near(red!), near(green!), near(blue!), alpha];
  expect(await storedColours(bytes)).toEqual([colour, colour, colour, colour]);
}

/** An image of one colour, with one byte per channel, or with two. */
function plain(colour: readonly number[], side: number, isDeep = false) {
  const raw = { width: side, height: side, channels: colour.length as 1 | 2 | 3 | 4 };
  const values = Array.from({ length: side * side }, () => colour).flat();
  return isDeep
    ? sharp(
        Uint16Array.from(values, (value) => value * 257),
        { raw },
      )
    : sharp(Uint8Array.from(values), { raw });
}

const COLOUR = [100, 60, 30, 77] as const;
const GREY = [100, 77] as const;
const GREY_AS_COLOUR = [100, 100, 100, 77] as const;

describe.each([1, 40, 700])('a semi-transparent image of %i pixels a side keeps its colour', (side) => {
  it.each([
    ['a PNG with 8 bits', COLOUR, () => plain(COLOUR, side).png(), { channels: 4, depth: 'uchar' }],
    ['a PNG with 16 bits', COLOUR, () => plain(COLOUR, side, true).toColourspace('rgb16').png(), { depth: 'ushort' }],
    ['a PNG with a palette', COLOUR, () => plain(COLOUR, side).png({ palette: true }), { isPalette: true }],
    ['a grey PNG with 8 bits', GREY_AS_COLOUR, () => plain(GREY, side).toColourspace('b-w').png(), { channels: 2 }],
    [
      'a grey PNG with 16 bits',
      GREY_AS_COLOUR,
      () => plain(GREY, side, true).toColourspace('grey16').png(),
      { channels: 2, depth: 'ushort' },
    ],
    ['a lossless WebP', COLOUR, () => plain(COLOUR, side).webp({ lossless: true }), { format: 'webp' }],
    ['a lossy WebP', COLOUR, () => plain(COLOUR, side).webp({ quality: 100 }), { format: 'webp' }],
    ['an AVIF', COLOUR, () => plain(COLOUR, side).avif({ lossless: true, effort: 0 }), { format: 'heif' }],
  ])('in %s', async (_, colour, make, properties) => {
    const bytes = await make().toBuffer();
    expect(await sharp(bytes).metadata()).toMatchObject({ hasAlpha: true, ...properties });
    await expectColour(bytes, colour);
  });

  it('in a PNG with one transparent colour and in a GIF, where opaque pixels keep theirs and others are transparent', async () => {
    const gif = await plain([100, 60, 30, 255], side).gif().toBuffer();
    await expectColour(gif, [100, 60, 30, 255]);
    const clear = await plain([100, 60, 30, 0], side).gif().toBuffer();
    for (const [, , , alpha] of await storedColours(clear)) expect(alpha).toBe(0);
    const opaque = await plain([100, 60, 30], side).png().toBuffer();
    await expectColour(withTransparentColour(opaque, [9, 9, 9]), [100, 60, 30, 255]);
    const keyed = withTransparentColour(opaque, [100, 60, 30]);
    for (const [, , , alpha] of await storedColours(keyed)) expect(alpha).toBe(0);
  });
});

/** Adds a chunk tRNS before the image data: pixels of this colour are transparent. */
function withTransparentColour(png: Buffer, colour: number[]): Buffer {
  const chunk = Buffer.alloc(18);
  chunk.writeUInt32BE(6, 0);
  chunk.write('tRNS', 4, 'latin1');
  colour.forEach((value, i) => chunk.writeUInt16BE(value, 8 + 2 * i));
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 14)), 14);
  const at = png.indexOf('IDAT') - 4;
  return Buffer.concat([png.subarray(0, at), chunk, png.subarray(at)]);
}
