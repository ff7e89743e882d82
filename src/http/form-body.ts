import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { Request } from 'express';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertShape } from './json-body.js';
import { Problem, type ProblemCode } from './problem.js';

/** Of a file; exactly this many are fine. */
export const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** What boundaries, headers and fields may take beside the file. */
const MAX_OTHER_BYTES = 256 * 1024;
const LIMITS = { files: 1, fields: 20, parts: 21, fieldSize: 4096, headerPairs: 20, headerSize: 8192 };
/** What stands for bytes that are no text in their charset. */
const UNREADABLE = '\ufffd';
/** How long a refused client may go on sending: one that is cut off at once does not get to read why. */
const LINGER_MS = 1000;

export interface Form {
  /** Text fields; their names and values are storable text. */
  fields: Record<string, string>;
  /** Its name and type are the sender's say, and left behind. */
  file?: { field: string; bytes: Buffer };
}

/**
 * Reads a form (multipart/form-data) with at most one file, held against its limit as it arrives. Raises `form_expected`,
 * `malformed_multipart`, `invalid_text`, `no_file` when there is no body at all, `file_too_large`.
 */
export async function readForm(request: Request): Promise<Form> {
  assertForm(request);
  const form = await parse(request);
  assertShape(form.fields);
  return form;
}

/** Work that takes a form; when it fails before all of the form has arrived, the client may go on sending for a moment. */
export async function takingForm<T>(request: Request, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await linger(request);
    throw error;
  }
}

function assertForm(request: Request): void {
  const { 'content-type': type, 'content-length': length, 'content-encoding': coding } = request.headers;
  if (type === undefined) throw new Problem('no_file');
  if (!request.is('multipart/form-data') || (coding ?? 'identity') !== 'identity') throw new Problem('form_expected');
  if (Number(length) > MAX_FILE_BYTES + MAX_OTHER_BYTES) throw new Problem('file_too_large');
}

function parse(request: Request): Promise<Form> {
  const parser = newParser(request);
  const form: Form = { fields: Object.create(null) as Record<string, string> };
  return new Promise<Form>((resolve, reject) => {
    const refuse = (code: ProblemCode, detail?: string): void => reject(new Problem(code, detail ? { detail } : {}));
    const onTooMuch = (): void =>
      refuse('malformed_multipart', 'The form has more than one file, 20 fields or 4 KB a field.');
    parser.on('file', (field, stream) => {
      const chunks: Buffer[] = [];
      let size = 0;
      stream.on('error', () => refuse('malformed_multipart'));
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_FILE_BYTES) refuse('file_too_large');
        else chunks.push(chunk);
      });
      stream.on('end', () => (form.file = { field, bytes: Buffer.concat(chunks) }));
    });
    parser.on('field', (name: string | undefined, value, _, isCut) => {
      if (name === undefined || name in form.fields) refuse('malformed_multipart');
      else if (isCut) onTooMuch();
      else if ((name + value).includes(UNREADABLE)) refuse('invalid_text');
      else form.fields[name] = value;
    });
    for (const event of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) parser.on(event, onTooMuch);
    parser.on('error', () => refuse('malformed_multipart'));
    parser.on('finish', () => resolve(form));
    let received = 0;
    request.on('data', ({ length }: Buffer) => {
      received += length;
      if (received > MAX_FILE_BYTES + MAX_OTHER_BYTES) refuse('file_too_large');
    });
    const onClose = (): void => void (request.complete || refuse('request_timeout')); // the client has gone
    if (request.destroyed) onClose(); // before anybody listened
    request.on('close', onClose);
    request.pipe(parser);
  }).finally(() => request.unpipe(parser));
}

function newParser(request: Request): BusboyInstance {
  const headers = request.headers as { 'content-type': string };
  try {
    return new Busboy({ headers, limits: { ...LIMITS, fileSize: MAX_FILE_BYTES + 1 } });
  } catch (cause) {
    throw new Problem('malformed_multipart', { cause });
  }
}

async function linger(request: Request): Promise<void> {
  if (request.complete || request.destroyed) return;
  const over = new AbortController();
  request.once('close', () => over.abort()).once('end', () => over.abort());
  request.resume();
  await sleep(LINGER_MS, undefined, { signal: over.signal }).catch(() => undefined);
}
