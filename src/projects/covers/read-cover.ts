import type { Request, Response } from 'express';
import type { Readable } from 'node:stream';
import { Problem } from '../../http/problems/problem.js';
import { MAX_PAGE_BYTES } from '../../images/image-jobs.js';
import { readFiles } from '../uploads/files/read-files.js';

/** The only file of a form, named `cover`. Throws `file_too_large` and what `readFiles` throws. */
export async function readCover(request: Request, response: Response): Promise<Buffer> {
  const covers: Buffer[] = [];
  await readFiles(
    request,
    response,
    async (_, source) => {
      if (covers.length > 0) throw new Problem('malformed_multipart', { detail: 'Send one file.' });
      covers.push(await readLimited(source));
    },
    'cover',
  );
  return covers[0]!;
}

async function readLimited(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_PAGE_BYTES) throw new Problem('file_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
