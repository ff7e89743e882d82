import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Keys and certificates are far smaller. */
const MAX_BYTES = 1024 * 1024;
/** How long a pipe may stay without bytes, or without its end. */
const PIPE_TIMEOUT_MS = 5_000;
const PIPE_POLL_MS = 10;

/**
 * Reads a text of at most 1 MiB, from a file or a pipe. Throws the error EFBIG for a larger file, and for a device that never ends;
 * ETIMEDOUT for a pipe whose writer does not write and close it.
 */
export function readSmallFile(file: string): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK); // opening a pipe would wait for a writer for ever
  try {
    const isPipe = fstatSync(fd).isFIFO();
    const end = performance.now() + PIPE_TIMEOUT_MS;
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const read = readAvailable(fd, buffer, length);
      if (isPipe && (read === undefined || length + read === 0)) {
        if (performance.now() > end) throw failure('ETIMEDOUT', `nobody writes and closes '${file}'`);
        wait(PIPE_POLL_MS);
      } else if (read) {
        length += read;
        if (length > MAX_BYTES) throw failure('EFBIG', `file too large, read '${file}'`);
      } else return buffer.toString('utf8', 0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** Undefined while the writer of a pipe has written nothing more. */
function readAvailable(fd: number, buffer: Buffer, at: number): number | undefined {
  try {
    return readSync(fd, buffer, at, buffer.length - at, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    return undefined;
  }
}

const wait = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const failure = (code: string, message: string): Error => Object.assign(new Error(`${code}: ${message}`), { code });
