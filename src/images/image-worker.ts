import { open } from 'node:fs/promises';
import sharp from 'sharp';
import type { LocalFile } from '../common/local-file.js';
import type { ImageFormat } from './image-format.js';
import { type ImageJob, type ImageResult, MAX_PAGE_BYTES } from './image-jobs.js';
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
  if (job.source instanceof Uint8Array) return makePageImages(toBuffer(job.source));
  const bytes = await readFrom(job.source).catch(() => null);
  return bytes ? makePageImages(bytes) : { problem: 'storage_unavailable' };
}

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
