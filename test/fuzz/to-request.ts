import { gzipSync } from 'node:zlib';
import { zipOf, type ZipEntry } from '../support/files/zip.js';
import { isFile, type Operation, resolveRef, type Role } from './api-document.js';
import type { Body, HttpCase } from './http-cases.js';
import type { HttpRequest } from './http-client.js';
import type { Json } from './values.js';
import type { World } from './world.js';

const LARGE_FILE = Buffer.alloc(6 * 1024 * 1024, 7);
const HUGE_PADDING = 'x'.repeat(150_000);
const BOUNDARY = 'fuzz-boundary';

/** The request of a case, with the values that the run has at this moment. `image` is a valid image file. */
export function toRequest(operation: Operation, role: Role, spec: HttpCase, world: World, image: Buffer): HttpRequest {
  const resolve = (text: string) => world.resolve(text, role);
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => resolve(spec.parameters[name]!));
  const query = spec.query.map(([name, value]) =>
    [name, resolve(value).toWellFormed()].map(encodeURIComponent).join('='),
  );
  const body = spec.body && toBytes(spec.body, resolve, image, fileFieldOf(operation));
  const token = world.tokenOf(role);
  const authorization = spec.authorization === 'own' ? token && `Bearer ${token}` : spec.authorization;
  const headers: Record<string, string | string[]> = {};
  if (authorization) headers['authorization'] = toHeader(resolve(authorization));
  for (const [name, value] of spec.headers) headers[name] = toHeader(resolve(value));
  if (body) {
    headers['content-type'] = contentTypeOf(spec.body!);
    headers['content-length'] = String(body.length);
    if (spec.body!.damage === 'gzip') headers['content-encoding'] = 'gzip';
  } else if (operation.method !== 'GET') headers['content-length'] = '0';
  const isAborted = spec.body?.damage === 'aborted' && body !== undefined && body.length > 1;
  return {
    method: operation.method,
    path: query.length > 0 ? `${path}?${query.join('&')}` : path,
    headers,
    body,
    abortAfter: isAborted ? body.length >> 1 : undefined,
  };
}

/** Headers are bytes; Node's client accepts those of Latin-1 without control characters. */
const toHeader = (text: string): string => text.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '?');

const contentTypeOf = ({ contentType, content }: Body): string =>
  'multipart' in content && contentType === 'multipart/form-data'
    ? `multipart/form-data; boundary=${BOUNDARY}`
    : contentType;

function toBytes({ content, damage }: Body, resolve: (text: string) => string, image: Buffer, field: string): Buffer {
  const bytes =
    'json' in content
      ? Buffer.from(resolve(JSON.stringify(content.json) ?? 'null'))
      : 'text' in content
        ? Buffer.from(resolve(typeof content.text === 'string' ? content.text : JSON.stringify(content.text)))
        : 'form' in content
          ? Buffer.from(urlencoded(content.form, resolve))
          : 'zip' in content
            ? archive(content.zip, resolve, image)
            : multipart(content.multipart, { file: content.file, field }, resolve, image);
  if (damage === 'truncated') return bytes.subarray(0, bytes.length >> 1);
  if (damage === 'trailing') return Buffer.concat([bytes, Buffer.from(' }{"a":1}')]);
  if (damage === 'invalid utf-8') return Buffer.concat([bytes, Buffer.from([0xc3, 0x28])]);
  if (damage === 'bom') return Buffer.concat([Buffer.from('\ufeff'), bytes]);
  if (damage === 'huge') return Buffer.concat([bytes, Buffer.from(HUGE_PADDING)]);
  if (damage === 'nested') return Buffer.from(`{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`);
  if (damage === 'gzip') return gzipSync(bytes);
  return damage === 'duplicated' ? duplicated(bytes) : bytes;
}

/** Every key of a JSON object twice. */
const duplicated = (bytes: Buffer): Buffer =>
  bytes[0] === 0x7b ? Buffer.from(`${bytes.toString().slice(0, -1)},${bytes.toString().slice(1)}`) : bytes;

const fieldsOf = (value: Json): [string, string][] =>
  Object.entries(typeof value === 'object' && value !== null ? value : { value }).map(([key, field]) => [
    key,
    typeof field === 'string' ? field : JSON.stringify(field),
  ]);

const urlencoded = (value: Json, resolve: (text: string) => string): string =>
  fieldsOf(value)
    .map((pair) => pair.map((text) => encodeURIComponent(resolve(text).toWellFormed())).join('='))
    .join('&');

/** The part with the file in the form of an operation. */
function fileFieldOf({ bodies }: Operation): string {
  const form = bodies['multipart/form-data'];
  const fields = Object.entries((form && resolveRef(form).properties) ?? {});
  return fields.find(([, field]) => isFile(field))?.[0] ?? 'avatar';
}

const SYMLINK = 0o120777;

function archive(kind: string, resolve: (text: string) => string, image: Buffer): Buffer {
  const picture = (others: Partial<ZipEntry> = {}): ZipEntry => ({
    name: resolve('{{fresh.username}}.png'),
    data: image,
    ...others,
  });
  if (kind === 'not a zip') return image;
  if (kind === 'no pictures') return zipOf([{ name: 'ComicInfo.xml', data: Buffer.from('<ComicInfo/>') }]);
  if (kind === 'outside') return zipOf([picture({ name: '../1.png' })]);
  if (kind === 'symbolic link') return zipOf([picture({ mode: SYMLINK })]);
  return zipOf([picture(), picture(kind === 'wrong sum' ? { crc: 7 } : {})]);
}

function multipart(
  value: Json,
  { file, field }: { file: string; field: string },
  resolve: (text: string) => string,
  image: Buffer,
): Buffer {
  const parts = fieldsOf(value)
    .filter(([name]) => name !== field)
    .map(([name, text]) => part(`name="${name.replaceAll(/["\r\n]/g, '_')}"`, Buffer.from(resolve(text))));
  const bytes = { image, noise: Buffer.from(image.toReversed()), large: LARGE_FILE }[file];
  if (bytes) parts.push(part(resolve(`name="${field}"; filename="{{fresh.username}}.png"`), bytes));
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

const part = (disposition: string, bytes: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ]);
