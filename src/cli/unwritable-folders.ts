import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { UncheckedConfig } from '../config/config-checks.js';

/** The folder, or the nearest one above it that exists. */
export const nearestExisting = (folder: string): string =>
  existsSync(folder) ? folder : nearestExisting(dirname(folder));

/** One sentence for each folder of the settings that this user cannot write to, or not create. Creates nothing. */
export function findUnwritableFolders({ DATA_DIR, STORAGE, STORAGE_DIR }: UncheckedConfig): string[] {
  const folders = Object.entries({ DATA_DIR, ...(STORAGE === 'local' ? { STORAGE_DIR } : {}) });
  return folders.flatMap(([name, folder]) => {
    const code = findError(nearestExisting(folder));
    return code === undefined
      ? []
      : [`${name} cannot be used (${code}, ${folder}): set it to a directory that this process can write to.`];
  });
}

/** The code of the error that writing to the folder would end with. */
function findError(folder: string): string | undefined {
  if (!statSync(folder).isDirectory()) return 'ENOTDIR';
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
