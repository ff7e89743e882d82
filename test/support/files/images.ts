import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import sharp, { type Sharp } from 'sharp';
import type { BodyOf, LooseBody } from '../api/api-body.js';
import type { SignedInUser, TestApp } from '../app.js';

export type Format = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif';
export const FORMATS: Format[] = ['jpeg', 'png', 'webp', 'gif', 'avif'];
export const MIB = 1024 * 1024;

/** An image of random circles. The seed determines it. */
export function scene(seed: number, width = 320, height = width): Sharp {
  const random = (n: number): number => {
    const x = Math.sin(seed * 127.1 + n * 311.7) * 43_758.5453;
    return x - Math.floor(x);
  };
  const circle = (i: number): string =>
    `<circle cx="${random(i) * width}" cy="${random(i + 50) * height}" r="${(0.05 + random(i + 90) / 4) * width}"
      fill="rgb(${[1, 2, 3].map((c) => Math.round(255 * random(i * 7 + c * 400))).join(',')})"/>`;
  const circles = Array.from({ length: 12 }, (_, i) => circle(i)).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#ccc"/>${circles}</svg>`;
  return sharp(Buffer.from(svg)).flatten({ background: '#ccc' });
}

/** An encoded image. The seed determines it. */
export const imageFile = (seed: number, format: Format = 'jpeg'): Promise<Buffer> => scene(seed)[format]().toBuffer();

/** A JPEG of exactly this many bytes, padded with comments. */
export async function jpegOf(size: number, seed = 1): Promise<Buffer> {
  const bytes = await imageFile(seed);
  const parts: Buffer[] = [bytes.subarray(0, 2)];
  let missing = size - bytes.length;
  while (missing > 0) {
    let length = Math.min(missing, 65_000);
    if (missing - length > 0 && missing - length < 4) length -= 4;
    const comment = Buffer.alloc(length);
    comment.writeUInt16BE(0xfffe, 0);
    comment.writeUInt16BE(length - 2, 2);
    parts.push(comment);
    missing -= length;
  }
  return Buffer.concat([...parts, bytes.subarray(2)]);
}

/** What the form says about the file. */
interface Part {
  field?: string;
  name?: string;
  type?: string;
}

/** A form with one file, by default named `avatar`. */
export function formOf(bytes: Buffer, { field = 'avatar', name = 'me.jpg', type = 'image/jpeg' }: Part = {}): FormData {
  const form = new FormData();
  form.set(field, new Blob([new Uint8Array(bytes)], { type }), name);
  return form;
}

export interface Reply<Body = LooseBody> {
  status: number;
  headers: Headers;
  body: Body;
  bytes: Buffer;
}

/** Like `TestApp.request`, for bodies and responses that are not JSON. */
export async function call<Method extends string, Path extends string>(
  t: TestApp,
  method: Method,
  path: Path,
  token?: string,
  init: RequestInit = {},
): Promise<Reply<BodyOf<Method, Path>>> {
  const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(init.headers as object) };
  const response = await fetch(t.url + path, { redirect: 'manual', ...init, method, headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = response.headers.get('content-type')?.includes('json');
  const body = (isJson ? JSON.parse(bytes.toString()) : {}) as BodyOf<Method, Path>;
  return { status: response.status, headers: response.headers, body, bytes };
}

type UploadBody = BodyOf<'PUT', '/api/users/me/avatar'>;
/** `urls` is null only after the files are deleted. */
type Uploaded = UploadBody & { urls: NonNullable<UploadBody['urls']> };

/** PUT /api/users/me/avatar. */
export const upload = (
  t: TestApp,
  { token }: Pick<SignedInUser, 'token'>,
  bytes: Buffer,
  part: Part = {},
): Promise<Reply<Uploaded>> =>
  call(t, 'PUT', '/api/users/me/avatar', token, { body: formOf(bytes, part) }) as Promise<Reply<Uploaded>>;

export const get = (t: TestApp, path: string, token?: string, headers: Record<string, string> = {}): Promise<Reply> =>
  call(t, 'GET', path, token, { headers });

/** Uploads an image and approves it. Returns the body of the upload. */
export async function uploadApproved(
  t: TestApp,
  user: SignedInUser,
  moderator: string,
  seed: number,
): Promise<Uploaded> {
  const { body } = await upload(t, user, await imageFile(seed));
  const { status } = await call(t, 'POST', `/api/moderation/avatars/${body['id']}/approve`, moderator);
  if (status !== 200) throw new Error(`not approved: ${status}`);
  return body;
}

/** 'accepted', or the status and the code of the problem. */
export async function uploadOutcome(t: TestApp, user: SignedInUser, bytes: Buffer, part: Part = {}): Promise<string> {
  const { status, body } = await upload(t, user, bytes, part);
  return status === 202 ? 'accepted' : `${status} ${body['code']}`;
}

/** The files of avatars below a folder: of the local driver, or of the S3 server, which adds a suffix. */
export const avatarFilesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.webp(\._S3rver_object)?$/.test(name));

/**
 * Whether the server would accept another upload of this user now. The probe is refused for its encoding right after the
 * concurrency limit, so that it takes no slot itself.
 */
export async function canUpload(t: TestApp, { token }: Pick<SignedInUser, 'token'>): Promise<boolean> {
  const headers = { 'content-encoding': 'gzip' };
  const { body } = await call(t, 'PUT', '/api/users/me/avatar', token, { body: formOf(Buffer.from('x')), headers });
  return body['code'] !== 'too_many_uploads';
}

/** Sends the headers of an upload and nothing of its body. */
export async function openUpload({ port }: TestApp, token: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `PUT /api/users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
      'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n',
  );
  socket.on('error', () => undefined).resume();
  return socket;
}

/** Starts an upload and sends half of its file. The upload goes on until the socket is closed or the server ends it. */
export async function startUpload(t: TestApp, token: string): Promise<Socket> {
  const socket = await openUpload(t, token);
  socket.write('--b\r\nContent-Disposition: form-data; name="avatar"; filename="a"\r\n\r\nhalf');
  return socket;
}
