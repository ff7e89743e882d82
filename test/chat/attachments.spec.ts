import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttachmentFilesWorker } from '../../src/chat/attachments/attachment-files.worker.js';
import { PAGE_VARIANTS } from '../../src/images/image-jobs.js';
import { Storage } from '../../src/storage/storage.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { attach, imagesOf, outcomeOf, type Uploaded, uploadAttachment } from '../support/clients/attachments.js';
import { type ChatClient, connect, createConversation, type Frame, V2 } from '../support/clients/chat-client.js';
import { call, get, imageFile, jpegOf, MIB, scene } from '../support/files/images.js';

const HOUR_MS = 3_600_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
});
afterAll(() => t.stop());

/** A user who is connected. */
interface Member extends SignedInUser {
  client: ChatClient;
}

async function member(options = V2 as Parameters<typeof connect>[2]): Promise<Member> {
  const user = await t.user();
  return { ...user, client: await connect(t, user, options) };
}

/** Two users of machi.v2 and one of an old client in a conversation. */
async function world() {
  const [hana, ren, old] = [await member(), await member(), await member({})];
  return { hana, ren, old, id: await createConversation(hana.client, ren.client, old.client) };
}

/** What clients are told of an attachment in a message. */
const told = ({ id, media_type, width, height, bytes }: Uploaded) => ({ id, media_type, width, height, bytes });

const codeOf = async ({ client }: Member, fields: Frame): Promise<string | undefined> =>
  (await client.askPastPushes('send_message', { content: '', ...fields }))['code'] as string | undefined;

const filesOf = async (attachmentId: string): Promise<number> => {
  let count = 0;
  for await (const { key } of t.app.get(Storage).list('attachments/')) if (key.includes(attachmentId)) count++;
  return count;
};

describe('POST /api/chat/attachments', () => {
  it('stores a picture without metadata, which only the uploader sees', async () => {
    const { hana, ren } = await world();
    const file = await scene(1, 2000, 300)
      .withExif({ IFD0: { Copyright: 'private-mark' } })
      .jpeg()
      .toBuffer();
    expect(file.includes('private-mark')).toBe(true);
    const { status, body } = await uploadAttachment(t, hana, file);
    expect(status).toBe(201);
    expect(body).toMatchObject({ media_type: 'image/jpeg', width: 2000, height: 300 });
    const images = await imagesOf(t, hana, body.id);
    const found = await Promise.all(PAGE_VARIANTS.map((variant) => get(t, images[variant])));
    expect(found.map(({ status: each }) => each)).toEqual([200, 200, 200, 200]);
    expect(found[0]!.bytes.length).toBe(body.bytes);
    expect(found[0]!.bytes.includes('private-mark')).toBe(false);
    const widths = await Promise.all(found.map(async ({ bytes }) => (await sharp(bytes).metadata()).width));
    expect(widths).toEqual([2000, 1600, 960, 256]);
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}`, ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}/image`, ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}/image`)).toBe('token_required');
  });

  it.each([
    ['no picture, whatever its name says', () => Buffer.from('%PDF-1.7 not a picture'), 415, 'unsupported_picture'],
    ['half a picture', async () => (await imageFile(2)).subarray(0, 1500), 422, 'picture_damaged'],
    [
      'too many pixels',
      () =>
        sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: '#777' } })
          .png()
          .toBuffer(),
      422,
      'picture_too_large',
    ],
    ['more than 25 MiB', () => jpegOf(25 * MIB + 1), 413, 'file_too_large'],
    ['much more than 25 MiB', () => jpegOf(27 * MIB), 413, 'file_too_large'],
  ])('refuses %s', async (_, file, status, code) => {
    const reply = await uploadAttachment(t, await t.user(), await file());
    expect([reply.status, (reply.body as Frame)['code']]).toEqual([status, code]);
  });

  it('refuses a part of another name, two files, JSON, and callers who are not signed in', async () => {
    const user = await t.user();
    const file = await imageFile(3);
    const codes = [(await uploadAttachment(t, user, file, 'picture')).body as Frame];
    const form = new FormData();
    for (const name of ['a.jpg', 'b.jpg']) form.append('file', new Blob([new Uint8Array(file)]), name);
    codes.push((await call(t, 'POST', '/api/chat/attachments', user.token, { body: form })).body);
    codes.push((await t.request('POST', '/api/chat/attachments', { token: user.token, body: {} })).body);
    codes.push((await uploadAttachment(t, { token: '' }, file)).body);
    expect(codes.map(({ code }) => code as string)).toEqual([
      'no_file',
      'malformed_multipart',
      'form_expected',
      'token_required',
    ]);
  });

  it('refuses the 51st attachment that is not sent, also of concurrent uploads, until one is deleted', async () => {
    const user = await t.user();
    const first = await attach(t, user);
    await t.dataSource.query(
      `insert into attachments (id, owner_id, format, width, height, sizes, created_at)
        select gen_random_uuid(), owner_id, format, width, height, sizes, created_at from attachments, generate_series(2, 49)
        where id = $1`,
      [first.id],
    );
    const file = await imageFile(4);
    const replies = await Promise.all([1, 2].map(() => uploadAttachment(t, user, file)));
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
    const remove = () => t.request('DELETE', `/api/chat/attachments/${first.id}`, { token: user.token });
    expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
    expect((await uploadAttachment(t, user, file)).status).toBe(201);
  });

  it('refuses more than 200 MiB that are not sent', async () => {
    const user = await t.user();
    const { id } = await attach(t, user);
    await t.dataSource.query(`update attachments set sizes = sizes || '{"original": 209700000}' where id = $1`, [id]);
    const { status, body } = await uploadAttachment(t, user, await imageFile(5));
    expect([status, (body as Frame)['code']]).toEqual([409, 'too_many_attachments']);
  });
});

describe('send_message with attachments', () => {
  it('sends them in their order to clients of machi.v2, and the text or a placeholder to old clients', async () => {
    const { hana, ren, old, id } = await world();
    const [first, second] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    const attachments = [second.id, first.id];
    const sent = await hana.client.get('send_message', { conversation_id: id, content: '', attachments });
    expect(sent).toEqual({
      id: sent['id'],
      sender_username: hana.username,
      conversation_id: id,
      reply_id: null,
      content: '',
      sent_at: expect.any(Number) as number,
      attachments: [told(second), told(first)],
    });
    expect((await ren.client.next())['data']).toEqual(sent);
    const { attachments: _, ...text } = sent;
    expect((await old.client.next())['data']).toEqual({ ...text, content: '[attachment]' });

    const third = await attach(t, hana, 3);
    const fields = { conversation_id: id, content: 'The harbour', attachments: [third.id], request_id: 'r7' };
    expect(await hana.client.ask('send_message', fields)).toMatchObject({
      request_id: 'r7',
      data: { content: 'The harbour', attachments: [told(third)] },
    });
    expect((await old.client.next())['data']).not.toHaveProperty('attachments');
    await ren.client.next();
    expect(await imagesOf(t, ren, first.id)).toBeDefined();
    expect(await imagesOf(t, old, third.id)).toBeDefined();
  });

  it('shows them wherever messages are read, and nothing of them in other messages', async () => {
    const { hana, ren, old, id } = await world();
    const picture = await attach(t, hana);
    const plain = await hana.client.get('send_message', { conversation_id: id, content: 'a plain lantern' });
    expect(plain).not.toHaveProperty('attachments');
    const sent = await hana.client.get('send_message', {
      conversation_id: id,
      content: 'lantern',
      attachments: [picture.id],
    });
    for (const { client } of [ren, old]) for (let i = 0; i < 2; i++) await client.next();
    await hana.client.askPastPushes('edit_message', {
      conversation_id: id,
      message_id: sent['id'],
      content: 'lanterns',
    });
    expect((await ren.client.next())['data']).toMatchObject({
      kind: 'message_edited',
      content: 'lanterns',
      attachments: [told(picture)],
    });
    const { messages } = await ren.client.get('get_messages', { conversation_id: id });
    const [shown, other] = messages as [Frame, Frame];
    expect(shown).toMatchObject({ id: sent['id'], content: 'lanterns', attachments: [told(picture)] });
    expect(other).not.toHaveProperty('attachments');
    const cursors = [{ conversation_id: id, message_id: plain['id'] as number, revision: 0 }];
    const resumed = await ren.client.get('resume', { cursors });
    expect((resumed['conversations'] as Frame[])[0]!['events']).toContainEqual(
      expect.objectContaining({ kind: 'message', message: shown }),
    );
    expect(((await ren.client.get('sync'))['conversations'] as Frame[])[0]!['last_message']).toEqual(shown);
    const found = await ren.client.get('search_messages', { conversation_id: id, query: 'lanterns' });
    expect(found['messages']).toEqual([shown]);
    const base = `/api/chat/conversations/${id}`;
    const token = ren.token;
    expect((await t.request('GET', `${base}/messages`, { token })).body['items']).toEqual([shown, other]);
    expect((await t.request('GET', `${base}/export`, { token })).body['messages']).toEqual([shown, other]);
    const page = await old.client.get('get_messages', { conversation_id: id });
    expect((page['messages'] as Frame[])[0]).toEqual({
      id: sent['id'],
      sender_username: hana.username,
      reply_id: null,
      content: 'lanterns',
      sent_at: sent['sent_at'],
    });
  });

  it('keeps the placeholder from clients of machi.v2 and from the search, also after an edit', async () => {
    const { hana, old, id } = await world();
    const { id: message_id } = await hana.client.get('send_message', {
      conversation_id: id,
      content: '',
      attachments: [(await attach(t, hana)).id],
    });
    await old.client.next();
    const contentOf = async ({ client }: Member) =>
      ((await client.get('get_messages', { conversation_id: id }))['messages'] as [Frame])[0]['content'] as string;
    expect([await contentOf(hana), await contentOf(old)]).toEqual(['', '[attachment]']);
    const search = async (query: string) =>
      ((await hana.client.get('search_messages', { conversation_id: id, query }))['messages'] as Frame[]).length;
    expect(await search('attachment')).toBe(0);
    await hana.client.askPastPushes('edit_message', { conversation_id: id, message_id, content: 'an attachment' });
    expect(await search('attachment')).toBe(1);
    expect([await contentOf(hana), await contentOf(old)]).toEqual(['an attachment', 'an attachment']);
  });

  it('refuses attachments that do not exist, of others, and that were sent, and stores nothing', async () => {
    const { hana, ren, id } = await world();
    const [own, foreign] = [await attach(t, hana), await attach(t, ren)];
    const missing = own.id.replace(/.{4}$/, '0000');
    const send = (...attachments: string[]) => codeOf(hana, { conversation_id: id, attachments });
    expect(await send(missing)).toBe('attachment_not_found');
    expect(await send(own.id, foreign.id)).toBe('attachment_not_found');
    expect(await codeOf(hana, { conversation_id: id + 1000, attachments: [own.id] })).toBe('conversation_not_found');
    expect(await codeOf(hana, { conversation_id: id, reply_id: 999_999, attachments: [own.id] })).toBe(
      'reply_not_found',
    );
    expect((await ren.client.get('get_messages', { conversation_id: id }))['messages']).toEqual([]);
    expect(await send(own.id)).toBeUndefined();
    await ren.client.next();
    expect(await send(own.id)).toBe('attachment_used');
    expect(await send((await attach(t, hana)).id, own.id)).toBe('attachment_used');
    await ren.client.expectNoFrame();
    expect((await t.request('DELETE', `/api/chat/attachments/${own.id}`, { token: hana.token })).body['code']).toBe(
      'attachment_used',
    );
  });

  it('refuses 11 attachments, one twice, other values, and an empty text without attachments', async () => {
    const { hana, id } = await world();
    const one = await attach(t, hana);
    const ids = Array.from({ length: 11 }, (_, i) => one.id.replace(/.{4}$/, String(1000 + i)));
    for (const attachments of [ids, [one.id, one.id.toUpperCase()], 'x', [7], ['x'], [null], {}])
      expect(await codeOf(hana, { conversation_id: id, attachments })).toBe('invalid_frame');
    for (const attachments of [[], null, undefined])
      expect(await codeOf(hana, { conversation_id: id, attachments })).toBe('invalid_frame');
    for (const content of [' ', null, 7, 'x'.repeat(16_001)])
      expect(await codeOf(hana, { conversation_id: id, content, attachments: [one.id] })).toBe('invalid_frame');
    expect(await codeOf(hana, { conversation_id: id, attachments: [one.id.toUpperCase()] })).toBeUndefined();
  });

  it('ignores the field of old clients, whatever it contains', async () => {
    const { hana, old, id } = await world();
    const { id: picture } = await attach(t, old);
    for (const attachments of [[picture], 'x', 7]) {
      const sent = await old.client.get('send_message', { conversation_id: id, content: 'text', attachments });
      expect(sent).not.toHaveProperty('attachments');
      expect((await hana.client.next())['data']).toEqual(sent);
    }
    expect(await old.client.ask('send_message', { conversation_id: id, content: '', attachments: [picture] })).toEqual({
      success: false,
      type: 'send_message',
      error: expect.any(String) as string,
    });
  });

  it('stores one message for 20 concurrent sends of one attachment', async () => {
    await t.warmUp();
    const { hana, ren, id } = await world();
    const other = await createConversation(hana.client, ren.client);
    const { id: picture } = await attach(t, hana);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, hana, V2)));
    const frames = await Promise.all(
      clients.map((client, i) =>
        client.askPastPushes('send_message', {
          conversation_id: i % 2 ? id : other,
          content: `send ${i}`,
          attachments: [picture],
          request_id: 'own',
        }),
      ),
    );
    const own = await Promise.all(
      clients.map(async (client, i) => {
        let frame = frames[i]!;
        while (frame['request_id'] !== 'own') frame = await client.next();
        return frame;
      }),
    );
    expect(own.filter(({ success }) => success)).toHaveLength(1);
    expect(new Set(own.filter(({ success }) => !success).map(({ code }) => code as string))).toEqual(
      new Set(['attachment_used']),
    );
    const stored = 'select 1 from messages where conversation_id in ($1, $2)';
    expect(await t.dataSource.query<unknown[]>(stored, [id, other])).toHaveLength(1);
    await Promise.all(clients.map((client) => client.close()));
  });

  it('answers a repeated nonce with the stored message, and refuses the nonce for other attachments', async () => {
    const { hana, ren, id } = await world();
    const [one, two] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    const fields = { conversation_id: id, content: '', nonce: 'n1', attachments: [one.id] };
    const sent = await hana.client.get('send_message', fields);
    await ren.client.next();
    expect(await hana.client.get('send_message', fields)).toEqual(sent);
    expect(await codeOf(hana, { ...fields, attachments: [two.id] })).toBe('nonce_reused');
    expect(await codeOf(hana, { ...fields, attachments: [one.id, two.id] })).toBe('nonce_reused');
    await ren.client.expectNoFrame();
    await hana.client.askPastPushes('delete_message', { conversation_id: id, message_id: sent['id'] });
    const again = await hana.client.get('send_message', fields);
    expect(again['id']).toBe(sent['id']);
    expect(again).not.toHaveProperty('attachments');
    expect(await imagesOf(t, hana, two.id)).toBeDefined();
  });
});

it('a message with attachments counts as ten messages, also one that names them in vain', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const user = await limited.user();
  const client = await connect(limited, user, V2);
  const { id } = await client.get('create_conversation', { members: [], name: 'Notes' });
  limited.clock.set(Date.now());
  const missing = ['0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60'];
  const codes: string[] = [];
  for (let i = 0; i < 31; i++) {
    const frame = await client.ask('send_message', { conversation_id: id, content: 'x', attachments: missing });
    codes.push(frame['code'] as string);
  }
  expect(codes).toEqual([...Array.from({ length: 30 }, () => 'attachment_not_found'), 'rate_limited']);
  await limited.stop();
});

describe('GET /api/chat/attachments/:id', () => {
  /** A message with a picture, and the addresses that ren got. */
  async function sentPicture() {
    const members = await world();
    const { hana, ren, id } = members;
    const picture = await attach(t, hana);
    const sent = await hana.client.get('send_message', {
      conversation_id: id,
      content: 'look',
      attachments: [picture.id],
    });
    const { reader: url } = await imagesOf(t, ren, picture.id);
    expect(await outcomeOf(t, url)).toBe(200);
    return { ...members, picture, message_id: sent['id'] as number, url, path: `/api/chat/attachments/${picture.id}` };
  }

  it('answers 404 to a user outside of the conversation, to moderators, and for ids that do not exist', async () => {
    const { path, ren } = await sentPicture();
    for (const user of [await t.user(), await t.user('moderate_chat')]) {
      expect(await outcomeOf(t, path, user.token)).toBe('attachment_not_found');
      expect(await outcomeOf(t, `${path}/image`, user.token)).toBe('attachment_not_found');
    }
    expect(await outcomeOf(t, path.replace(/.{4}$/, '0000'), ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, '/api/chat/attachments/x', ren.token)).toBe('invalid_id');
  });

  it('sends a file to be kept by no cache, with an entity tag, and single ranges', async () => {
    const { url, picture } = await sentPicture();
    const { headers, bytes } = await get(t, url);
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'private, no-store',
      'content-type': 'image/webp',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      etag: `"${picture.id}-reader"`,
    });
    expect((await get(t, url, undefined, { 'if-none-match': headers.get('etag')! })).status).toBe(304);
    const part = await get(t, url, undefined, { range: 'bytes=2-5' });
    expect([part.status, part.bytes]).toEqual([206, bytes.subarray(2, 6)]);
    expect(await outcomeOf(t, url.replace('reader', 'huge'))).toBe('validation_failed');
  });

  it('binds a token to its attachment, its session and 15 minutes', async () => {
    const { url, ren, hana, id, path } = await sentPicture();
    const other = await attach(t, hana, 2);
    await hana.client.get('send_message', { conversation_id: id, content: 'two', attachments: [other.id] });
    expect(await outcomeOf(t, url.replace(/attachments\/[^/]+/, `attachments/${other.id}`))).toBe(
      'attachment_not_found',
    );
    expect(
      await outcomeOf(
        t,
        url.replace(/.$/, (last: string) => (last === 'A' ? 'B' : 'A')),
      ),
    ).toBe('attachment_not_found');
    t.clock.advance(9 * 60_000);
    expect(await outcomeOf(t, url)).toBe(200);
    t.clock.advance(6 * 60_000);
    expect(await outcomeOf(t, url)).toBe('attachment_not_found');
    const { reader: fresh } = await imagesOf(t, ren, path.split('/').at(-1)!);
    expect(await outcomeOf(t, fresh)).toBe(200);
    expect((await t.request('DELETE', '/api/sessions/current', { token: ren.token })).status).toBe(204);
    expect(await outcomeOf(t, fresh)).toBe('attachment_not_found');
    t.clock.run();
  });

  it('hides it from members who were added later, and shows them the next one', async () => {
    const { hana, id, path } = await sentPicture();
    const late = await member();
    await hana.client.askPastPushes('add_members', { conversation_id: id, members: [late.username] });
    expect(await outcomeOf(t, path, late.token)).toBe('attachment_not_found');
    const next = await attach(t, hana, 2);
    await hana.client.askPastPushes('send_message', { conversation_id: id, content: 'x', attachments: [next.id] });
    expect(await outcomeOf(t, (await imagesOf(t, late, next.id)).thumbnail)).toBe(200);
  });

  it('stops an address at once when its user is removed, leaves, or the message is deleted', async () => {
    for (const end of ['removed', 'left', 'deleted']) {
      const { hana, ren, old, id, url, path, message_id, picture } = await sentPicture();
      const { reader: urlOfOld } = await imagesOf(t, old, picture.id);
      const tag = { 'if-none-match': `"${picture.id}-reader"` };
      if (end === 'removed')
        await hana.client.askPastPushes('remove_member', { conversation_id: id, username: ren.username });
      if (end === 'left') await ren.client.askPastPushes('leave', { conversation_id: id });
      if (end === 'deleted') await hana.client.askPastPushes('delete_message', { conversation_id: id, message_id });
      expect(await outcomeOf(t, url)).toBe('attachment_not_found');
      expect((await get(t, url, undefined, tag)).status).toBe(404);
      expect(await outcomeOf(t, path, ren.token)).toBe('attachment_not_found');
      expect(await outcomeOf(t, urlOfOld)).toBe(end === 'deleted' ? 'attachment_not_found' : 200);
    }
  });

  it('hides it from a member who has blocked the sender while the block lasts', async () => {
    const { hana, ren, old, id, url } = await sentPicture();
    const block = (method: 'PUT' | 'DELETE') =>
      t.request(method, `/api/chat/blocks/${hana.username}`, { token: ren.token });
    await block('PUT');
    expect(await outcomeOf(t, url)).toBe('attachment_not_found');
    const { messages } = await ren.client
      .askPastPushes('get_messages', { conversation_id: id })
      .then(({ data }) => data);
    expect((messages as Frame[])[0]).toMatchObject({ content: '[blocked]' });
    expect((messages as Frame[])[0]).not.toHaveProperty('attachments');
    await old.client.next();
    await hana.client.askPastPushes('send_message', {
      conversation_id: id,
      content: '',
      attachments: [(await attach(t, hana, 5)).id],
    });
    expect(await old.client.next()).toMatchObject({ data: { content: '[attachment]' } });
    await ren.client.expectNoFrame();
    await block('DELETE');
    expect(await outcomeOf(t, url)).toBe(200);
  });
});

describe('the files of attachments', () => {
  it('are deleted with the message, also by a moderator, who sees the text in the history', async () => {
    const { hana, ren, id } = await world();
    const moderator = await t.user('moderate_chat');
    const picture = await attach(t, hana);
    const { id: message } = await hana.client.get('send_message', {
      conversation_id: id,
      content: 'look',
      attachments: [picture.id],
    });
    expect(await filesOf(picture.id)).toBe(4);
    const path = `/api/chat/conversations/${id}/messages/${message}`;
    expect((await t.request('DELETE', path, { token: moderator.token })).status).toBe(204);
    await t.app.get(AttachmentFilesWorker).deleteRemovedFiles();
    expect(await filesOf(picture.id)).toBe(0);
    expect(await t.dataSource.query<unknown[]>('select 1 from attachment_removals')).toEqual([]);
    await ren.client.next();
    const [shown] = (await ren.client.askPastPushes('get_messages', { conversation_id: id }))['data']
      .messages as Frame[];
    expect(shown).toMatchObject({ content: '[deleted]', is_deleted: true });
    expect(shown).not.toHaveProperty('attachments');
    const { body } = await t.request('GET', `${path}/versions`, { token: moderator.token });
    expect(body['versions']).toMatchObject([{ content: 'look' }]);
  });

  it('are deleted 24 hours after the upload unless they were sent', async () => {
    const { hana, id } = await world();
    const [unsent, sent] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    await hana.client.get('send_message', { conversation_id: id, content: '', attachments: [sent.id] });
    const worker = t.app.get(AttachmentFilesWorker);
    const sweep = async () => {
      await worker.sweep();
      await worker.deleteRemovedFiles();
    };
    t.clock.advance(23 * HOUR_MS);
    await sweep();
    expect(await filesOf(unsent.id)).toBe(4);
    t.clock.advance(2 * HOUR_MS);
    await sweep();
    expect([await filesOf(unsent.id), await filesOf(sent.id)]).toEqual([0, 4]);
    expect(await codeOf(hana, { conversation_id: id, attachments: [unsent.id] })).toBe('attachment_not_found');
    t.clock.run();
  });

  it('without a row are deleted after an hour, those with a row are kept', async () => {
    const user = await t.user();
    const { id } = await attach(t, user);
    const orphan = id.replace(/.{4}$/, 'beef');
    const key = `attachments/ef/${orphan}-original`;
    await t.app.get(Storage).put(key, Buffer.from('x'), { size: 1, type: 'image/png', cache_control: 'no-store' });
    t.clock.advance(2 * HOUR_MS);
    await t.app.get(AttachmentFilesWorker).sweep();
    t.clock.run();
    expect([await filesOf(orphan), await filesOf(id)]).toEqual([0, 4]);
  });

  it('stay with their messages when the sender deletes the account; those that were not sent are deleted', async () => {
    const { hana, ren, id } = await world();
    const [sent, unsent] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    await hana.client.get('send_message', { conversation_id: id, content: '', attachments: [sent.id] });
    const { status } = await t.request('DELETE', '/api/users/me', {
      token: hana.token,
      body: { password: hana.password },
    });
    expect(status).toBe(204);
    await t.app.get(AttachmentFilesWorker).deleteRemovedFiles();
    expect([await filesOf(sent.id), await filesOf(unsent.id)]).toEqual([4, 0]);
    expect(await outcomeOf(t, (await imagesOf(t, ren, sent.id)).reader)).toBe(200);
  });
});
