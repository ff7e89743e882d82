import { finished } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { ExportPart } from '../../personal-data/personal-data.js';

/** Image files do not get smaller. */
const COMPRESSED = /\.(?:webp|jpe?g|png|avif|gif)$/;

/**
 * A zip archive of these parts, written while it is read: one part is open at a time, and no part is held in memory. A failure
 * of a part fails the archive; destroying the archive closes the open part.
 */
export function archiveOf(parts: AsyncIterable<ExportPart>, mtime: Date): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  let current: Readable | undefined;
  const fail = (error: Error): void => void output.destroy(error);
  zip.on('error', fail);
  output.on('error', () => undefined); // who reads it sees it; an abort may come before it is read
  output.once('close', () => current?.destroy());
  const addAll = async (): Promise<void> => {
    for await (const part of parts) {
      current = contentOf(part);
      if (output.destroyed) current.destroy();
      zip.addReadStream(current, part.name, { mtime, mode: 0o100600, compress: !COMPRESSED.test(part.name) });
      await finished(current);
    }
    zip.end();
  };
  addAll().catch(fail);
  return output;
}

function contentOf(part: ExportPart): Readable {
  if ('file' in part) return part.file;
  return Readable.from('rows' in part ? arrayOf(part.rows) : [toText(part.json), '\n'], { objectMode: false });
}

async function* arrayOf(rows: AsyncIterable<object[]>): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const batch of rows) {
    yield separator + batch.map((row) => JSON.stringify(row)).join(',\n');
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

const toText = (json: unknown): string => (typeof json === 'string' ? json : JSON.stringify(json, null, 2));
