import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { UncheckedConfig } from '../config/config-checks.js';

/** The folder, or the nearest one above it that exists. */
export const existing = (folder: string): string => (existsSync(folder) ? folder : existing(dirname(folder)));

/** One sentence for each folder of the settings that this user cannot write to, or not create. Creates nothing. */
export function findUnwritableFolders({ DATA_DIR, STORAGE, STORAGE_DIR }: UncheckedConfig): string[] {
  const folders = Object.entries({ DATA_DIR, ...(STORAGE === 'local' ? { STORAGE_DIR } : {}) });
  return folders.flatMap(([name, folder]) => {
    const reason = findReason(existing(folder));
    return reason === undefined
      ? []
      : [`${name} cannot be used (${reason}, ${folder}): set it to a directory that this process can write to.`];
  });
}

function findReason(folder: string): string | undefined {
  if (!statSync(folder).isDirectory()) return 'ENOTDIR';
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
