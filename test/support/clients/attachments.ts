import type { BodyOf } from '../api/api-body.js';
import type { SignedInUser, TestApp } from '../app.js';
import { call, formOf, get, imageFile, type Reply } from '../files/images.js';

export type Uploaded = BodyOf<'POST', '/api/chat/attachments'>;

/** POST /api/chat/attachments. */
export const uploadAttachment = (
  t: TestApp,
  { token }: Pick<SignedInUser, 'token'>,
  bytes: Buffer,
  field = 'file',
): Promise<Reply<Uploaded>> => call(t, 'POST', '/api/chat/attachments', token, { body: formOf(bytes, { field }) });

/** Uploads a picture and returns what the server says about it. */
export async function attach(t: TestApp, user: Pick<SignedInUser, 'token'>, seed = 1): Promise<Uploaded> {
  const { status, body, bytes } = await uploadAttachment(t, user, await imageFile(seed));
  if (status !== 201) throw new Error(`upload: ${status} ${bytes.toString()}`);
  return body;
}

/** The addresses of an attachment, as a user gets them. */
export async function imagesOf(t: TestApp, user: Pick<SignedInUser, 'token'>, id: string) {
  const { status, body } = await t.request('GET', `/api/chat/attachments/${id}` as '/api/chat/attachments/{}', {
    token: user.token,
  });
  if (status !== 200) throw new Error(`attachment: ${status} ${JSON.stringify(body)}`);
  return body.images;
}

/** What a user gets for an attachment, its addresses, and an address that was given out: 200, or the code of the problem. */
export async function outcomeOf(t: TestApp, path: string, token?: string): Promise<number | string> {
  const { status, body } = await get(t, path, token);
  return status === 200 ? 200 : (body['code'] as string);
}
