import { closeSync, openSync, readSync } from 'node:fs';

/** Keys and certificates are far smaller. */
const MAX_BYTES = 1024 * 1024;

/** Reads a text of at most 1 MiB. Throws the error EFBIG for a larger file, and for a device that never ends. */
export function readSmallFile(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const read = readSync(fd, buffer, length, buffer.length - length, null);
      if (read === 0) return buffer.toString('utf8', 0, length);
      length += read;
      if (length > MAX_BYTES)
        throw Object.assign(new Error(`EFBIG: file too large, read '${file}'`), { code: 'EFBIG' });
    }
  } finally {
    closeSync(fd);
  }
}
