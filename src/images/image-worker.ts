import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import type { LocalFile } from '../common/local-file.js';
import { writeObjectFile } from '../common/object-file.js';
import type { ImageFormat } from './image-format.js';
import {
  type ImageJob,
  type ImageResult,
  MAX_PAGE_BYTES,
  PAGE_VARIANTS,
  type PageFile,
  type PageTarget,
  type PageVariant,
  type ProcessedPage,
  typeOf,
} from './image-jobs.js';
import { makePageImages } from './page-image.js';
import { makeSquareImages } from './square-image.js';

/**
 * A process that decodes images, one at a time. It gets no settings and no secrets, and a crash or a hang of a decoder ends
 * only this process. See image-processing.service.ts.
 */

/** Loaders of libvips. All others are blocked, so that no other decoder can be reached. */
const LOADERS: Record<ImageFormat, string> = {
  jpeg: 'VipsForeignLoadJpegBuffer',
  png: 'VipsForeignLoadPngBuffer',
  webp: 'VipsForeignLoadWebpBuffer',
  gif: 'VipsForeignLoadNsgifBuffer',
  avif: 'VipsForeignLoadHeifBuffer',
};

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(LOADERS) });

async function run(job: ImageJob): Promise<ImageResult> {
  if (job.kind === 'square') return makeSquareImages(job.bytes, job.format);
  const { source, target } = job;
  const bytes = source instanceof Uint8Array ? toBuffer(source) : await readFrom(source).catch(() => null);
  if (!bytes) return { problem: 'storage_unavailable' };
  const page = await makePageImages(bytes);
  if ('problem' in page) return page;
  return target
    ? writePage(page, target).catch(() => ({ problem: 'storage_unavailable' }))
    : withFiles(page, page.files);
}

/** Writes the files of a page. When it fails, none is left. */
async function writePage(page: ProcessedPage, { folder, cache_control }: PageTarget): Promise<ProcessedPage<PageFile>> {
  const paths = mapVariants(() => join(folder, randomUUID()));
  try {
    for (const variant of PAGE_VARIANTS) {
      const header = { type: typeOf(variant, page.format), cache_control };
      await writeObjectFile(paths[variant], page.files[variant], header);
    }
    return withFiles(page, paths);
  } catch (error) {
    for (const path of Object.values(paths)) await rm(path, { force: true });
    throw error;
  }
}

const withFiles = (page: ProcessedPage, contents: Record<PageVariant, Buffer | string>): ProcessedPage<PageFile> => ({
  ...page,
  files: mapVariants((variant) => {
    const bytes = page.files[variant];
    return { size: bytes.length, crc32: crc32(bytes), content: contents[variant] };
  }),
});

const mapVariants = <T>(map: (variant: PageVariant) => T): Record<PageVariant, T> =>
  Object.fromEntries(PAGE_VARIANTS.map((variant) => [variant, map(variant)])) as Record<PageVariant, T>;

/** At most one byte more than a page may have: enough to refuse it. */
async function readFrom({ path, offset }: LocalFile): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size - offset, MAX_PAGE_BYTES + 1);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
    if (bytesRead < length) throw new Error('the file is shorter than before');
    return buffer;
  } finally {
    await file.close();
  }
}

const toBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

process.on('message', (job: ImageJob) => {
  run(job).then(
    (result) => process.send?.(result),
    () => process.send?.({ problem: 'picture_damaged' } satisfies ImageResult),
  );
});
// Ctrl-C reaches all processes of a terminal. This one ends when its parent kills it or disconnects.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
