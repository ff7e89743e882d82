import type { ImageFile, ImageTarget } from '../images/image-jobs.js';
import type { Storage, StreamMetadata } from '../storage/storage.js';

/** A file of an image, and how to store it. */
export type NewImageFile = ImageFile & StreamMetadata & { key: string };

/** Where image workers write files for `storeFiles`; null where the storage takes their bytes only. Throws `storage_unavailable`. */
export async function findTarget(storage: Storage, cache_control: string): Promise<ImageTarget | null> {
  const folder = await storage.findWorkFolder();
  return folder === null ? null : { folder, cache_control };
}

/** Stores the files of an image, written by a worker or not. When it fails, some may be stored. Throws `storage_unavailable`. */
export function storeFiles(storage: Storage, files: NewImageFile[]): Promise<void> {
  const written = files.flatMap(({ key, content }) => (typeof content === 'string' ? [{ key, path: content }] : []));
  if (written.length > 0) return storage.moveAll(written);
  const objects = files.map(({ key, content, ...metadata }) => ({ key, source: content as Buffer, metadata }));
  return storage.putAll(objects);
}
