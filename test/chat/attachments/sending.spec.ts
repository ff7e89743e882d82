import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import {
  attach,
  attachmentMembers,
  imagesOf,
  LONG_SESSIONS,
  type Member,
  type Uploaded,
} from '../../support/clients/attachments.js';
import { connect, createConversation, type Frame, V2 } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: LONG_SESSIONS });
});
afterAll(() => t.stop());

const { world } = attachmentMembers(() => t);

/** What clients are told of an attachment in a message. */
const told = ({ id, media_type, width, height, bytes }: Uploaded) => ({ id, media_type, width, height, bytes });

const codeOf = async ({ client }: Member, fields: Frame): Promise<string | undefined> =>
  (await client.askPastPushes('send_message', { content: '', ...fields }))['code'] as string | undefined;

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
