import type { LocalFile } from '../common/local-file.js';
import type { ImageFormat } from './image-format.js';

/** Side lengths of square images, in pixels. */
export const SIZES = [64, 128, 256, 512] as const;
export type Size = (typeof SIZES)[number];

/** The square images made from an upload. */
export interface ProcessedImage {
  /** One WebP per size. */
  files: { size: Size; bytes: Buffer }[];
  /** Perceptual hash of 128 binary digits. */
  hash: string;
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

/** A file of a page. */
export interface PageFile {
  /** In bytes. */
  size: number;
  crc32: number;
  /** The bytes, or the path of the file with them in the folder of the target. */
  content: Buffer | string;
}

/** Where a worker writes the files of a page, as common/object-file.ts does. */
export interface PageTarget {
  folder: string;
  cache_control: string;
}

/** The bytes of a page, or where the worker reads them. */
export type PageSource = Uint8Array | LocalFile;

/** The message to an image worker. Without a target, the worker returns the bytes of the files. */
export type ImageJob =
  | { kind: 'square'; bytes: Uint8Array; format: ImageFormat }
  | { kind: 'page'; source: PageSource; target: PageTarget | null };

/** Why an image is refused; `storage_unavailable`: its file could not be read, or those of its page not be written. */
export interface ImageRefusal {
  problem: 'unsupported_picture' | 'picture_damaged' | 'picture_too_large' | 'file_too_large' | 'storage_unavailable';
}

/** The message from an image worker. */
export type ImageResult<Job extends ImageJob = ImageJob> =
  { square: ProcessedImage; page: ProcessedPage<PageFile> }[Job['kind']] | ImageRefusal;
