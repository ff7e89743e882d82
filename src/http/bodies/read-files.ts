import type { Request, Response } from 'express';
import multer from 'multer';
import type { Readable } from 'node:stream';
import { Problem } from '../problems/problem.js';

interface FilesOptions {
  /** The name of the parts. */
  field: string;
  maxFiles: number;
}

const wrongParts = (field: string): string => `Send files only, each as a part named "${field}" with a file name.`;

/**
 * Calls `add` with each file of this name of a form (multipart/form-data), one after the other, while the form arrives. Files before a
 * failure have been added. Throws what `add` throws, `no_file`, `malformed_multipart` and `request_timeout`.
 */
export function readFiles(
  request: Request,
  response: Response,
  { field, maxFiles }: FilesOptions,
  add: (name: string, source: Readable) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = Promise.resolve();
    let count = 0;
    const storage: multer.StorageEngine = {
      _handleFile(_, { originalname, stream }, callback) {
        count++;
        last = last.then(() => add(originalname, stream));
        last.then(
          () => callback(null, {}),
          (error: Error) => {
            stream.resume(); // multer waits for its end
            reject(error); // multer would report it when the whole form has arrived
            callback(error);
          },
        );
      },
      _removeFile: (_, __, callback) => callback(null), // files that were added stay
    };
    const limits = { files: maxFiles, fields: 0, parts: maxFiles }; // the form has no text fields
    const parse = multer({ storage, limits, defParamCharset: 'utf8' }).array(field);
    void parse(request, response, (error?: unknown) => {
      // When `add` stops reading a file, multer sees a form that breaks off: the failure of `add` is the reason.
      if (error) last.then(() => reject(mapFormError(error as Error & { code?: string }, request, field)), reject);
      else if (count === 0) reject(new Problem('no_file', { detail: wrongParts(field) }));
      else resolve();
    });
  });
}

function mapFormError(error: Error & { code?: string }, request: Request, field: string): Problem {
  if (error instanceof Problem) return error;
  const detail = wrongParts(field);
  if (error.code === 'LIMIT_UNEXPECTED_FILE') return new Problem('no_file', { detail, cause: error });
  if (error.code?.startsWith('LIMIT_')) return new Problem('malformed_multipart', { detail, cause: error });
  const isAborted = request.destroyed && !request.complete;
  return new Problem(isAborted ? 'request_timeout' : 'malformed_multipart', { cause: error });
}
