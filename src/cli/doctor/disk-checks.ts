import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Config } from '../../config/config.js';
import { sizeText } from '../output.js';
import { nearestExisting } from '../unwritable-folders.js';
import { type Check, error, ok, warning } from './check.js';

/** Chapters are received in DATA_DIR: docs/operations.md asks for 3 GiB. */
const WARNING_BYTES = 3 * 1024 ** 3;
const ERROR_BYTES = 100 * 1024 ** 2;

/** Free space of the disks that Machi writes to. */
export async function examineDisks({ DATA_DIR, STORAGE, STORAGE_DIR }: Config): Promise<Check[]> {
  const folders = { DATA_DIR, ...(STORAGE === 'local' ? { STORAGE_DIR } : {}), 'temporary files': tmpdir() };
  return Promise.all(Object.entries(folders).map(([name, folder]) => examine(name, folder)));
}

async function examine(name: string, folder: string): Promise<Check> {
  const { bavail, bsize, files, ffree } = await statfs(nearestExisting(folder));
  const free = bavail * bsize;
  const detail = `${sizeText(free)} free for ${folder}`;
  const remedy = `Free space, or move ${name} to a larger disk.`;
  if (free < ERROR_BYTES || (files > 0 && ffree === 0)) return error('disk', detail, remedy);
  const isSmall = free < WARNING_BYTES && name === 'DATA_DIR';
  return isSmall ? warning('disk', `${detail}, which also receives uploads`, remedy) : ok('disk', detail);
}
