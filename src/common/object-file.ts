import { closeSync, openSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, writeFile } from 'node:fs/promises';

// The files of LocalStorage: one line of JSON, then the bytes of the object. The server writes them, and so do image workers,
// which load nothing else of the storage.

/** The first line of a file. */
export interface ObjectHeader {
  /** The media type. */
  type: string;
  /** The Cache-Control header to send with the object. */
  cache_control: string;
  /** Of the object in bytes, unless it was not known before: shows that a file was cut off later. */
  size?: number;
}

const FLAGS = 'wx'; // fails when the file exists
const MODE = 0o640;

const headerLine = ({ type, cache_control, size }: ObjectHeader): string =>
  `${JSON.stringify({ type, cache_control, size })}\n`;

/** Writes a new file at once, for image workers, which do nothing else meanwhile. When it fails, a part of the file may be left. */
export function writeObjectFileSync(path: string, bytes: Buffer, header: ObjectHeader): void {
  const file = openSync(path, FLAGS, MODE);
  try {
    writeFileSync(file, headerLine({ ...header, size: bytes.length }));
    writeFileSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

/** Writes a new file. `finish` is called before it is closed. When it fails, a part of the file may be left. */
export async function writeObjectFile(
  path: string,
  source: AsyncIterable<Buffer>,
  header: ObjectHeader,
  finish: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, FLAGS, MODE);
  try {
    await file.write(headerLine(header));
    await writeFile(file, source);
    await finish(file);
  } finally {
    await file.close();
  }
}
