import type { LocalFile } from '../common/local-file.js';
import type { ImageFormat } from './image-format.js';

/** Side lengths of square images, in pixels. */
export const SIZES = [64, 128, 256, 512] as const;
export type Size = (typeof SIZES)[number];

/** The square images made from an upload, one WebP per size. */
export interface ProcessedSquare<File = Buffer> {
  /** Perceptual hash of 128 binary digits. */
  hash: string;
  files: Record<Size, File>;
}

/**
 * The files of a page:
 * - `original`: the uploaded file without its metadata;
 * - `reader`: WebP, at most 1600 pixels wide;
 * - `data_saver`: WebP of low quality, at most 960 pixels wide;
 * - `thumbnail`: JPEG, at most 256 pixels wide: catalogues for comic readers may not name WebP.
 */
export const PAGE_VARIANTS = ['original', 'reader', 'data_saver', 'thumbnail'] as const;
export type PageVariant = (typeof PAGE_VARIANTS)[number];

/** The largest file of a page. */
export const MAX_PAGE_BYTES = 25 * 1024 * 1024;

/** The images made from the file of a page. */
export interface ProcessedPage<File = Buffer> {
  /** Of the original: an uploaded GIF becomes a PNG. */
  format: Exclude<ImageFormat, 'gif'>;
  /** Of the original, upright, in pixels. */
  width: number;
  height: number;
  files: Record<PageVariant, File>;
}

/** The media type of a file of a page. */
export const typeOf = (variant: PageVariant, format: ProcessedPage['format']): string =>
  ({ original: `image/${format}`, reader: 'image/webp', data_saver: 'image/webp', thumbnail: 'image/jpeg' })[variant];

/** A file of an image. */
export interface ImageFile {
  /** In bytes. */
  size: number;
  crc32: number;
  /** The bytes, or the path of the file with them in the folder of the target. */
  content: Buffer | string;
}

/** Where a worker writes the files of an image, as common/object-file.ts does. */
export interface ImageTarget {
  folder: string;
  cache_control: string;
}

/** The bytes of an uploaded image in pieces, or where the worker reads them. */
export type ImageSource = Buffer[] | LocalFile;

/** An image to make. Without a target, the worker returns the bytes of the files. */
export interface ImageJob {
  kind: 'square' | 'page';
  source: ImageSource;
  target: ImageTarget | null;
}

/** The message to an image worker. Bytes follow on the pipe `SOURCE_FD`, this many. */
export type ImageJobMessage = Omit<ImageJob, 'source'> & { source: { size: number } | LocalFile };

/** The file descriptor from which an image worker reads bytes. */
export const SOURCE_FD = 3;

/** Why an image is refused; `storage_unavailable`: its file could not be read, or its files not be written. */
export interface ImageRefusal {
  problem: 'unsupported_picture' | 'picture_damaged' | 'picture_too_large' | 'file_too_large' | 'storage_unavailable';
  /** The message of the error of the storage, for the log. */
  cause?: string;
}

/** What is made of an image, by the kind of the job. */
export interface ProcessedImages {
  square: ProcessedSquare<ImageFile>;
  page: ProcessedPage<ImageFile>;
}

/** The message from an image worker. */
export type ImageResult = ProcessedImages[ImageJob['kind']] | ImageRefusal;
