import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readSmallFile } from '../small-file.js';

const randomSecret = (): string => randomBytes(48).toString('base64url');

/** Reads the secret from a file. Creates the file with a new secret, readable by its owner only, if it is missing. */
export function readOrCreateSecret(file: string, create = randomSecret): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (!existsSync(file)) writeIfMissing(file, create());
  return readSmallFile(file);
}

/** Writes a file atomically, and keeps a file that another process has just written. */
function writeIfMissing(file: string, content: string): void {
  const temporaryFile = `${file}.${randomUUID()}`; // in containers that share a volume, processes have the same id
  try {
    writeFileSync(temporaryFile, content, { mode: 0o600, flush: true });
    linkSync(temporaryFile, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporaryFile, { force: true });
  }
}
