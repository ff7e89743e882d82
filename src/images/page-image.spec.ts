import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ImageFormat } from './image-format.js';
import type { ProcessedPage } from './image-jobs.js';
import { makePageImages } from './page-image.js';

const FORMATS: ImageFormat[] = ['jpeg', 'png', 'webp', 'gif', 'avif'];

/** A picture with some detail; wide enough for smaller files. */
const picture = (width = 400, height = 300): Sharp => {
  const data = Buffer.from(Array.from({ length: 16 * 12 * 3 }, (_, i) => (i * 7919) % 256));
  return sharp(data, { raw: { width: 16, height: 12, channels: 3 } }).resize(width, height, { fit: 'fill' });
};

async function process(bytes: Buffer): Promise<ProcessedPage> {
  const result = await makePageImages(bytes);
  if ('problem' in result) throw new Error(result.problem);
  return result;
}

const refusal = (bytes: Buffer): Promise<string> =>
  makePageImages(bytes).then(
    (result) => ('problem' in result ? result.problem : 'accepted'),
    () => 'picture_damaged', // as the worker answers
  );

const pixels = (bytes: Buffer): Promise<Buffer> => sharp(bytes).raw().toBuffer();

describe('makePageImages', () => {
  it.each(FORMATS)('keeps all pixels of a %s in the original', async (format) => {
    const bytes = await picture()[format]().toBuffer();
    const { files, width, height } = await process(bytes);
    expect([width, height]).toEqual([400, 300]);
    const channels = format === 'gif' ? { removeAlpha: true } : {};
    const strip = async (file: Buffer): Promise<Buffer> =>
      'removeAlpha' in channels ? sharp(file).removeAlpha().raw().toBuffer() : pixels(file);
    expect((await strip(files.original)).equals(await strip(bytes))).toBe(true);
  });

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('removes Exif and XMP of a %s from every file', async (format) => {
    const tagged = picture()
      .withExif({ IFD0: { Artist: 'SECRET-ARTIST', Orientation: '6' }, IFD3: { GPSLatitude: '51/1 30/1 3230/100' } })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- SECRET-XMP --></x:xmpmeta>');
    const bytes = await tagged[format]().toBuffer();
    expect(bytes.includes('SECRET-ARTIST')).toBe(true);
    const { files } = await process(bytes);
    for (const file of Object.values(files)) {
      expect(file.includes('SECRET')).toBe(false);
      const { xmp = Buffer.alloc(0) } = await sharp(file).metadata();
      expect(xmp.every((byte) => byte === 0)).toBe(true);
    }
  });

  it.each(['jpeg', 'png', 'webp'] as const)('shows a rotated %s upright in every file', async (format) => {
    const bytes = await picture().withMetadata({ orientation: 6 })[format]().toBuffer();
    const { files, width, height } = await process(bytes);
    expect([width, height]).toEqual([300, 400]);
    for (const file of Object.values(files)) {
      const { autoOrient } = await sharp(file).metadata();
      expect(autoOrient.height).toBeGreaterThan(autoOrient.width);
    }
    expect((await sharp(files.original).metadata()).orientation).toBe(6);
  });

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)(
    'keeps the colour profile of a %s in every file',
    async (format) => {
      const { files } = await process(await picture().withIccProfile('p3')[format]().toBuffer());
      for (const file of Object.values(files)) expect((await sharp(file).metadata()).icc?.length).toBeGreaterThan(100);
    },
  );

  it('removes comments, unknown segments and what follows the end of the image', async () => {
    const jpeg = await picture().jpeg().toBuffer();
    const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, 8]), Buffer.from('SECRET')]);
    const maker = Buffer.concat([Buffer.from([0xff, 0xe5, 0, 8]), Buffer.from('SECRET')]);
    const stuffed = Buffer.concat([jpeg.subarray(0, 2), comment, maker, jpeg.subarray(2), Buffer.from('SECRET')]);
    expect((await process(stuffed)).files.original.includes('SECRET')).toBe(false);
    const png = Buffer.concat([await picture().png().toBuffer(), Buffer.from('SECRET')]);
    expect((await process(png)).files.original.includes('SECRET')).toBe(false);
  });

  it('makes WebP files of at most 1600 and 960 and a JPEG of at most 256 pixels in width, and never a larger one than the original', async () => {
    const widths = async (bytes: Buffer) => {
      const { files } = await process(bytes);
      const made = await Promise.all(Object.values(files).map((file) => sharp(file).metadata()));
      return made.map(({ format, width }) => `${format} ${width}`);
    };
    const wide = await picture(2000, 100).jpeg().toBuffer();
    expect(await widths(wide)).toEqual(['jpeg 2000', 'webp 1600', 'webp 960', 'jpeg 256']);
    const grey = await picture(100, 2000).greyscale().png().toBuffer();
    expect(await widths(grey)).toEqual(['png 100', 'webp 100', 'webp 100', 'jpeg 100']);
  });

  it('converts an image in printing colours to sRGB in the smaller files', async () => {
    const { files } = await process(await picture().toColourspace('cmyk').withIccProfile('cmyk').jpeg().toBuffer());
    expect((await sharp(files.original).metadata()).space).toBe('cmyk');
    const { space, icc } = await sharp(files.reader).metadata();
    expect([space, icc]).toEqual(['srgb', undefined]);
  });

  it('keeps the first frame of an animation', async () => {
    const frames = await Promise.all(
      ['#f00', '#00f'].map((background) =>
        sharp({ create: { width: 40, height: 30, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    for (const format of ['webp', 'gif'] as const) {
      const animation = sharp(frames, { join: { animated: true } });
      const bytes = await animation[format]({ loop: 0 }).toBuffer();
      const { files } = await process(bytes);
      expect([format, (await sharp(files.original).metadata()).pages]).toEqual([format, undefined]);
      const [red, , blue] = await pixels(files.original);
      expect([red! > 250, blue! < 5]).toEqual([true, true]);
    }
  });

  it('accepts 10,000 pixels on a side and 40 million in all, and refuses one more', async () => {
    const flat = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#888' } })
        .png()
        .toBuffer();
    expect(await refusal(await flat(10_000, 8))).toBe('accepted');
    expect(await refusal(await flat(10_001, 8))).toBe('picture_too_large');
    expect(await refusal(await flat(8000, 5001))).toBe('picture_too_large');
  });

  it.each(FORMATS)('refuses a %s that lacks its second half', async (format) => {
    const bytes = await picture(800, 600)[format]().toBuffer();
    expect(await refusal(bytes.subarray(0, bytes.length >> 1))).toBe('picture_damaged');
  });

  it('accepts a JPEG that lacks only its end marker, and adds it', async () => {
    const bytes = await picture().jpeg().toBuffer();
    const { files } = await process(bytes.subarray(0, -2));
    expect((await pixels(files.original)).equals(await pixels(bytes))).toBe(true);
    expect(files.original.subarray(-2)).toEqual(Buffer.from([0xff, 0xd9]));
  });

  it('refuses what is no image, whatever its name', async () => {
    expect(await refusal(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toBe('unsupported_picture');
    expect(await refusal(Buffer.alloc(0))).toBe('unsupported_picture');
  });
});
