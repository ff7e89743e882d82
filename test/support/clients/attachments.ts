import type { BodyOf } from '../api/api-body.js';
import type { SignedInUser, TestApp } from '../app.js';
import { call, formOf, get, imageFile, type Reply } from '../files/images.js';
import { type ChatClient, connect, createConversation, V2 } from './chat-client.js';

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

/** A user who is connected. */
export interface Member extends SignedInUser {
  client: ChatClient;
}

/** Tests of attachments move the clock by weeks. */
export const LONG_SESSIONS = { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' };

/** Users who send each other attachments. */
export function attachmentMembers(app: () => TestApp) {
  async function member(options = V2 as Parameters<typeof connect>[2]): Promise<Member> {
    const user = await app().user();
    return { ...user, client: await connect(app(), user, options) };
  }

  /** Two users of machi.v2 and one of an old client in a conversation. */
  async function world() {
    const [hana, ren, old] = [await member(), await member(), await member({})];
    return { hana, ren, old, id: await createConversation(hana.client, ren.client, old.client) };
  }

  return { member, world };
}
