import type { Request, Response } from 'express';
import type { Readable } from 'node:stream';
import { Problem } from '../problems/problem.js';
import { readFiles } from './read-files.js';

/**
 * The bytes, in pieces, of the only file of a form (multipart/form-data), whose part has this name. Throws `file_too_large` as soon as more than
 * `maxBytes` have arrived, and what `readFiles` throws.
 */
export async function readFile(
  request: Request,
  response: Response,
  { field, maxBytes }: { field: string; maxBytes: number },
): Promise<Buffer[]> {
  const files: Buffer[][] = [];
  // One more file than is accepted, so that a second one is reported by its own sentence.
  await readFiles(request, response, { field, maxFiles: 2 }, async (_, source) => {
    if (files.length > 0) throw new Problem('malformed_multipart', { detail: 'Send one file.' });
    files.push(await readLimited(source, maxBytes));
  });
  return files[0]!;
}

async function readLimited(source: Readable, maxBytes: number): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Problem('file_too_large');
    chunks.push(chunk);
  }
  return chunks;
}
