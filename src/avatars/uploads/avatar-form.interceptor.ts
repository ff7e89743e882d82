import { type CallHandler, type ExecutionContext, Injectable } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import type { Request } from 'express';
import type { StorageEngine } from 'multer';
import type { Observable } from 'rxjs';
import { assertShape } from '../../http/bodies/body-shape.js';
import { isMultipart } from '../../http/bodies/body.guard.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';

const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** The file, and 256 KiB for the other parts: fields, headers, boundaries. */
const MAX_BODY_BYTES = MAX_FILE_BYTES + 256 * 1024;

/** Names with brackets would become nested objects (`a[b]`), which no DTO has. */
const LIMITS = { fileSize: MAX_FILE_BYTES, files: 1, fields: 20, parts: 21, fieldSize: 4096, fieldNestingDepth: 0 };

/** An uploaded file, in the pieces that have arrived. */
export interface UploadedAvatarFile {
  pieces: Buffer[];
}

/** Multer's own would copy the pieces into one buffer. */
const MEMORY: StorageEngine = {
  _handleFile(_, { stream }, callback) {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => callback(null, { pieces } satisfies UploadedAvatarFile as object));
  },
  _removeFile: (_, __, callback) => callback(null),
};

/** What decoders put in place of bytes that are invalid in their charset. */
const REPLACEMENT_CHARACTER = '\ufffd';

/**
 * Reads a form (multipart/form-data) with at most one file, named `avatar`, into memory. The file is checked against its
 * limit while it arrives; multer would read an oversized body to its end before it refuses it. Other bodies pass.
 * Throws `file_too_large`, `malformed_multipart`, `no_file`, `invalid_text`, `validation_failed`, `request_timeout`.
 */
@Injectable()
export class AvatarFormInterceptor extends FileInterceptor('avatar', {
  storage: MEMORY,
  limits: LIMITS,
  defParamCharset: 'utf8',
}) {
  override async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    if (!isMultipart(request)) return next.handle();
    try {
      const handled = await Promise.race([super.intercept(context, next), exceedsLimit(request)]);
      request.body = readFields(request.body as object);
      return handled;
    } catch (error) {
      throw error instanceof Problem ? error : mapFormError(error as FormError, request);
    }
  }
}

/** Refuses a form by its headers. Throws `form_expected`, `file_too_large`. */
export function assertFormHeaders(request: Request): void {
  const { 'content-length': length, 'content-encoding': encoding } = request.headers;
  if ((encoding ?? 'identity') !== 'identity') throw new Problem('form_expected');
  if (Number(length) > MAX_BODY_BYTES) throw new Problem('file_too_large');
}

/** Rejects as soon as more bytes have arrived than any accepted form has; else it stays pending. */
function exceedsLimit(request: Request): Promise<never> {
  let received = 0;
  return new Promise((_, reject) => {
    request.on('data', ({ length }: Buffer) => {
      received += length;
      if (received > MAX_BODY_BYTES) reject(new Problem('file_too_large'));
    });
  });
}

/** The text fields as a plain object. */
function readFields(fields: object): object {
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (Array.isArray(value)) throw new Problem('malformed_multipart', { detail: `"${name}" is sent twice.` });
    const isText = typeof value === 'string'; // undefined when the charset is unknown
    if (!isText || `${name}${value}`.includes(REPLACEMENT_CHARACTER)) throw new Problem('invalid_text');
  }
  assertShape(fields);
  return { ...fields };
}

/** An error of multer or its parser, or the Nest exception that wraps it. */
type FormError = Error & { code?: string; field?: string };

function mapFormError(error: FormError, request: Request): Problem {
  const cause = (error.cause ?? error) as FormError;
  if (cause.code === 'LIMIT_FILE_SIZE') return new Problem('file_too_large', { cause });
  if (cause.code === 'LIMIT_UNEXPECTED_FILE') {
    return new Problem('no_file', { detail: 'Name the file "avatar".', cause });
  }
  if (cause.code === 'LIMIT_FIELD_NESTING') {
    return validationFailed([{ path: cause.field!, message: `property ${cause.field} should not exist` }]);
  }
  if (cause.code?.startsWith('LIMIT_')) {
    const detail = 'The form has more than one file, 20 fields or 4 KB in a field.';
    return new Problem('malformed_multipart', { detail, cause });
  }
  const isAborted = request.destroyed && !request.complete;
  return new Problem(isAborted ? 'request_timeout' : 'malformed_multipart', { cause });
}
