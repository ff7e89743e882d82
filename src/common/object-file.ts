import { type FileHandle, open, writeFile } from 'node:fs/promises';

// The files of LocalStorage: one line of JSON, then the bytes of the object. The server writes them, and so do image workers,
// which load nothing else of the storage.

/** The first line of a file. */
export interface ObjectHeader {
  /** The media type. */
  type: string;
  /** The Cache-Control header to send with the object. */
  cache_control: string;
}

/** Writes a new file. `finish` is called before it is closed. When it fails, a part of the file may be left. */
export async function writeObjectFile(
  path: string,
  source: Buffer | AsyncIterable<Buffer>,
  { type, cache_control }: ObjectHeader,
  finish: (file: FileHandle) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const file = await open(path, 'wx', 0o640);
  try {
    await file.write(`${JSON.stringify({ type, cache_control })}\n`);
    await writeFile(file, source);
    await finish(file);
  } finally {
    await file.close();
  }
}
