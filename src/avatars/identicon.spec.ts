import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { identicon } from './identicon.js';

it.each([
  [64, '132d961ec621f922'],
  [128, '859be4d9beef5e9a'],
  [256, 'c04ce6ed1210cedb'],
  [512, 'd47306c1f92f9b87'],
])('identicon draws the same image of %i pixels for an id as 0.1.0 did', async (size, hash) => {
  const bytes = identicon('01a1ff39-5c2a-7549-b028-53bc506aaa2e', size);
  const { data, info } = await sharp(bytes).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([size, size, 3]);
  expect(createHash('sha256').update(data).digest('hex').slice(0, 16)).toBe(hash);
});

it('identicon of 512 pixels a side has one bit per pixel and at most 400 bytes, so that it is cheap to draw and to send', async () => {
  const bytes = identicon('01a1ff39-5c2a-7549-b028-53bc506aaa2e', 512);
  expect((await sharp(bytes).metadata()).bitsPerSample).toBe(1);
  expect(bytes.length).toBeLessThan(400);
});
