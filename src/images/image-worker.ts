import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import type { LocalFile } from '../common/local-file.js';
import { writeObjectFileSync } from '../common/object-file.js';
import type { ImageFormat } from './image-format.js';
import {
  type ImageFile,
  type ImageJobMessage,
  type ImageRefusal,
  type ImageResult,
  type ImageTarget,
  MAX_PAGE_BYTES,
  type PageVariant,
  SOURCE_FD,
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

async function run({ kind, source, target }: ImageJobMessage): Promise<ImageResult> {
  const bytes = catchStorageError(() => ('size' in source ? readBytes(SOURCE_FD, source.size) : readFrom(source)));
  if ('problem' in bytes) return bytes;
  const image = kind === 'square' ? await makeSquareImages(bytes) : await makePageImages(bytes);
  if ('problem' in image) return image;
  const typeFor = (variant: string): string =>
    'hash' in image ? 'image/webp' : typeOf(variant as PageVariant, image.format);
  return catchStorageError(() => ({ ...image, files: store(image.files, target, typeFor) }) as ImageResult);
}

/** What `work` returns; a refusal when the files cannot be read or written. */
function catchStorageError<T>(work: () => T): T | ImageRefusal {
  try {
    return work();
  } catch (error) {
    return { problem: 'storage_unavailable', cause: (error as Error).message };
  }
}

/** At most one byte more than a page may have: enough to refuse it. */
function readFrom({ path, offset }: LocalFile): Buffer {
  const file = openSync(path, 'r');
  try {
    return readBytes(file, Math.min(fstatSync(file).size - offset, MAX_PAGE_BYTES + 1), offset);
  } finally {
    closeSync(file);
  }
}

/** Reads this many bytes of a file, from a position, or of a pipe. */
function readBytes(file: number, size: number, position?: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size;) {
    const count = readSync(file, bytes, at, size - at, position === undefined ? null : position + at);
    if (count === 0) throw new Error('the file is shorter than before');
    at += count;
  }
  return bytes;
}

/** Describes the files of an image, and writes them if there is a target. When that fails, none is left. */
function store(
  files: Record<string, Buffer>,
  target: ImageTarget | null,
  typeFor: (variant: string) => string,
): Record<string, ImageFile> {
  const stored: Record<string, ImageFile> = {};
  const paths: string[] = [];
  try {
    for (const [variant, bytes] of Object.entries(files)) {
      const path = target && join(target.folder, randomUUID());
      stored[variant] = { size: bytes.length, crc32: crc32(bytes), content: path ?? bytes };
      if (path === null) continue;
      paths.push(path);
      writeObjectFileSync(path, bytes, { type: typeFor(variant), cache_control: target!.cache_control });
    }
    return stored;
  } catch (error) {
    for (const path of paths) rmSync(path, { force: true });
    throw error;
  }
}

process.on('message', (job: ImageJobMessage) => {
  run(job).then(
    (result) => process.send?.(result),
    () => process.send?.({ problem: 'picture_damaged' } satisfies ImageResult),
  );
});
// Ctrl-C reaches all processes of a terminal. This one ends when its parent kills it or disconnects.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
