import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import {
  type ChatClient,
  connect,
  connectUsers,
  createConversation,
  type Frame,
  V2,
} from '../../support/clients/chat-client.js';

let t: TestApp;
let one: ChatClient;
let two: ChatClient;
let old: ChatClient;
let id: number;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
  [one, two] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
  [old] = (await connectUsers(t, 1)) as [ChatClient];
  id = await createConversation(one, two, old);
});
afterAll(() => t.stop());

async function send(content: string, conversation_id = id): Promise<number> {
  const { id: message } = await one.get('send_message', { conversation_id, content });
  for (const client of [two, old]) expect(await client.next()).toMatchObject({ data: { id: message } });
  return message as number;
}

/** Sends a request that changes a message, and returns the event that all members get who speak machi.v2. */
async function change(client: ChatClient, type: string, fields: Frame): Promise<Frame> {
  client.send({ type, conversation_id: id, ...fields });
  const event = await client.next();
  expect(event).toMatchObject({ type: 'conversation_event', data: { username: client.username } });
  expect(await client.next()).toMatchObject({
    success: true,
    type,
    data: { revision: event['data'].revision as number },
  });
  expect(await (client === one ? two : one).next()).toEqual(event);
  return event['data'] as Frame;
}

const codeOf = async (client: ChatClient, type: string, fields: Frame) =>
  (await client.ask(type, { conversation_id: id, ...fields }))['code'] as string | undefined;

const messageOf = async (client: ChatClient, message: number): Promise<Frame> =>
  ((await client.get('get_messages', { conversation_id: id, before: message + 1 }))['messages'] as Frame[])[0]!;

async function revisionOf(): Promise<number> {
  const { conversations } = await one.get('sync', { before: id + 1 });
  return (conversations as Frame[])[0]!['revision'] as number;
}

describe('edit_message', () => {
  it('replaces the content with the next revision; old clients see it in get_messages only', async () => {
    const message = await send('The lantern are up.');
    const before = await revisionOf();
    const event = await change(one, 'edit_message', { message_id: message, content: 'The lanterns are up.' });
    expect(event).toMatchObject({
      kind: 'message_edited',
      message_id: message,
      content: 'The lanterns are up.',
      revision: before + 1,
    });
    await old.expectNoFrame();
    expect(await messageOf(old, message)).toEqual({
      id: message,
      sender_username: one.username,
      reply_id: null,
      content: 'The lanterns are up.',
      sent_at: expect.any(Number) as number,
    });
    expect(await messageOf(two, message)).toMatchObject({ edited_at: expect.any(Number) as number, is_deleted: false });
    await one.get('edit_message', { conversation_id: id, message_id: message, content: 'The lanterns are up.' });
    await two.expectNoFrame();
  });

  it('refuses messages of others, unknown and deleted ones', async () => {
    const message = await send('m');
    expect(await codeOf(two, 'edit_message', { message_id: message, content: 'x' })).toBe('not_the_sender');
    expect(await codeOf(one, 'edit_message', { message_id: message + 1000, content: 'x' })).toBe('message_not_found');
    for (const content of ['', ' ', 'x'.repeat(16_001), 7, null])
      expect(await codeOf(one, 'edit_message', { message_id: message, content })).toBe('invalid_frame');
    await change(one, 'delete_message', { message_id: message });
    expect(await codeOf(one, 'edit_message', { message_id: message, content: 'x' })).toBe('message_deleted');
    expect(await codeOf(two, 'react', { message_id: message, emoji: '🎉' })).toBe('message_deleted');
  });

  it('leaves one order of contents when the sender edits from many connections at once', async () => {
    await t.warmUp();
    const message = await send('start');
    const token = await t.signIn(one.username, 'cloudy harbour seven');
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, { token }, V2)));
    for (const [i, client] of clients.entries())
      client.send({ type: 'edit_message', conversation_id: id, message_id: message, content: `edit ${i}` });
    const events = [];
    for (let i = 0; i < 6; i++) events.push((await two.next())['data'] as Frame);
    const revisions = events.map(({ revision }) => revision as number);
    expect(revisions).toEqual(revisions.map((_, i) => revisions[0]! + i));
    expect(await messageOf(two, message)).toMatchObject({ content: (events.at(-1)!['content'] as string) ?? '' });
    for (let i = 0; i < 6; i++) await one.next();
    await Promise.all(clients.map((client) => client.close()));
    const versions = 'select content from message_versions where message_id = $1 order by revision';
    const kept = await t.dataSource.query<{ content: string }[]>(versions, [message]);
    expect(kept).toHaveLength(6);
    expect(kept[0]!.content).toBe('start');
  });
});

describe('delete_message', () => {
  it('removes the content from everywhere, and the message keeps its place', async () => {
    const message = await send('a secret');
    await change(two, 'react', { message_id: message, emoji: '👍' });
    const reply = await two.get('send_message', { conversation_id: id, content: 'a reply', reply_id: message });
    for (const client of [one, old]) await client.next();
    const event = await change(one, 'delete_message', { message_id: message });
    expect(event).toMatchObject({ kind: 'message_deleted', message_id: message, content: null });
    expect(await messageOf(two, message)).toMatchObject({ content: '[deleted]', is_deleted: true, reactions: [] });
    expect(await messageOf(old, message)).toMatchObject({ id: message, content: '[deleted]' });
    const cursors = [{ conversation_id: id, message_id: 0, revision: 0 }];
    const answers = [
      await two.get('resume', { cursors }),
      await two.get('get_messages', { conversation_id: id }),
      await two.get('sync'),
    ];
    expect(JSON.stringify(answers)).not.toContain('a secret');
    expect(JSON.stringify(answers)).toContain(`"reply_id":${message}`);
    expect(reply['reply_id']).toBe(message);
    await one.get('delete_message', { conversation_id: id, message_id: message }); // deleted already
    await two.expectNoFrame();
  });

  it('refuses messages of others, except for moderators, also as no member; both deletion and history are audited', async () => {
    const message = await send('spam');
    expect(await codeOf(two, 'delete_message', { message_id: message })).toBe('not_the_sender');
    const moderator = await t.user('moderate_chat');
    const stranger = await t.user();
    const messages = '/api/chat/conversations/{conversation}/messages/{message}';
    const path = `/api/chat/conversations/${id}/messages/${message}` as typeof messages;
    expect((await t.request('DELETE', path, { token: stranger.token })).body).toMatchObject({
      code: 'conversation_not_found',
    });
    expect((await t.request('DELETE', path, { token: moderator.token })).status).toBe(204);
    for (const client of [one, two]) {
      expect(await client.next()).toMatchObject({ data: { kind: 'message_deleted', username: moderator.username } });
    }
    const versions = `${path}/versions` as `${typeof messages}/versions`;
    expect((await t.request('GET', versions, { token: stranger.token })).status).toBe(403);
    const history = await t.request('GET', versions, { token: moderator.token });
    expect(history.body).toMatchObject({
      id: message,
      sender_username: one.username,
      content: '[deleted]',
      is_deleted: true,
      versions: [{ content: 'spam', replaced_by: moderator.username }],
    });
    const audited = `select action from audit_events where details->>'message_id' = $1 order by id`;
    expect(await t.dataSource.query(audited, [String(message)])).toEqual([
      { action: 'message.deleted' },
      { action: 'message.history_viewed' },
    ]);
    const client = await connect(t, moderator, V2);
    const other = await send('more spam');
    expect(await client.get('delete_message', { conversation_id: id, message_id: other })).toMatchObject({});
    for (const witness of [one, two]) expect(await witness.next()).toMatchObject({ data: { message_id: other } });
    await client.expectNoFrame();
    const { body } = await t.request('GET', '/api/audit?action=message.deleted&limit=2', { token: await t.asAdmin() });
    expect(body.items.map(({ details, ip }) => [(details as Frame)['message_id'], ip])).toEqual([
      [other, '127.0.0.1'],
      [message, '127.0.0.1'],
    ]);
  });

  it('lets the sender repeat the request that sent the message', async () => {
    const fields = { conversation_id: id, content: 'once', nonce: 'repeated' };
    const { id: message } = await one.get('send_message', fields);
    for (const client of [two, old]) await client.next();
    await change(one, 'edit_message', { message_id: message, content: 'changed' });
    expect(await one.get('send_message', fields)).toMatchObject({ id: message });
    await two.expectNoFrame();
    expect(await messageOf(two, message as number)).toMatchObject({ content: 'changed' });
  });
});

describe('react', () => {
  it('counts one emoji of each member, replaces it and takes it back', async () => {
    const message = await send('m');
    expect(await change(one, 'react', { message_id: message, emoji: '🎉' })).toMatchObject({
      kind: 'reaction',
      emoji: '🎉',
    });
    await change(two, 'react', { message_id: message, emoji: '🎉' });
    expect(await messageOf(two, message)).toMatchObject({ reactions: [{ emoji: '🎉', count: 2, is_own: true }] });
    await change(two, 'react', { message_id: message, emoji: '👩‍👩‍👧‍👦' });
    await one.get('react', { conversation_id: id, message_id: message, emoji: '🎉' }); // the same again
    await two.expectNoFrame();
    expect((await messageOf(one, message))['reactions']).toHaveLength(2);
    expect(await change(one, 'react', { message_id: message, emoji: null })).toMatchObject({ emoji: null });
    expect(await messageOf(one, message)).toMatchObject({ reactions: [{ emoji: '👩‍👩‍👧‍👦', count: 1, is_own: false }] });
    await old.expectNoFrame();
  });

  it.each(['', 'x', '🎉🎉', ' 🎉', '1', '\u{1f3fb}x', 7, {}, '🎉'.repeat(100)])('refuses %j', async (emoji) => {
    const message = await send('m');
    expect(await codeOf(one, 'react', { message_id: message, emoji })).toBe('invalid_frame');
  });

  it('and edits of a blocked user do not reach the user who has blocked', async () => {
    const [three, four, five] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
    const other = await createConversation(three, four, five);
    const { id: message } = await four.get('send_message', { conversation_id: other, content: 'm' });
    for (const client of [three, five]) await client.next();
    await three.get('block', { username: four.username });
    const fields = { conversation_id: other, message_id: message };
    four.send({ type: 'edit_message', ...fields, content: 'for five only' });
    four.send({ type: 'react', ...fields, emoji: '🎉' });
    for (let i = 0; i < 2; i++) expect(await five.next()).toMatchObject({ type: 'conversation_event' });
    await three.expectNoFrame();
    const { messages } = await three.get('get_messages', { conversation_id: other });
    expect(messages).toMatchObject([{ content: '[blocked]', reactions: [] }]);
    const cursors = [{ conversation_id: other, message_id: 0, revision: 0 }];
    expect(JSON.stringify(await three.get('resume', { cursors }))).not.toContain('for five only');
  });
});

it('a client that resumes after each disconnection gets every event once and in order', async () => {
  const [three, four] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
  const other = await createConversation(three, four);
  const user = { token: await t.signIn(four.username, 'cloudy harbour seven'), username: four.username };
  let cursor = { conversation_id: other, message_id: 0, revision: 0 };
  const seen: string[] = [];
  const expected: string[] = [];
  for (let round = 0; round < 5; round++) {
    const { id: message } = await three.get('send_message', { conversation_id: other, content: `m${round}` });
    three.send({ type: 'edit_message', conversation_id: other, message_id: message, content: `e${round}` });
    three.send({ type: 'rename', conversation_id: other, name: `n${round}` });
    for (let i = 0; i < 4; i++) await three.next();
    expected.push('message', 'message_edited', 'renamed');
    const client = await connect(t, user, V2);
    const { conversations } = await client.get('resume', { cursors: [cursor] });
    const [{ events, truncated, is_member, ...next }] = conversations as [Frame];
    expect([truncated, is_member]).toEqual([false, true]);
    seen.push(...(events as Frame[]).map(({ kind }) => kind as string));
    cursor = next as typeof cursor;
    await client.close();
  }
  expect(seen).toEqual(expected);
});

describe('resume', () => {
  it('returns at most 200 events of a conversation, and the rest when it is asked again', async () => {
    const [three] = (await connectUsers(t, 1, V2)) as [ChatClient];
    const other = await createConversation(three);
    for (let i = 0; i < 250; i++) three.send({ type: 'send_message', conversation_id: other, content: `m${i}` });
    for (let i = 0; i < 250; i++) await three.next();
    let cursor: Frame = { conversation_id: other, message_id: 0, revision: 0 };
    const contents: string[] = [];
    for (const truncated of [true, false]) {
      const { conversations } = await three.get('resume', { cursors: [cursor] });
      const [resumed] = conversations as [Frame];
      expect(resumed['truncated']).toBe(truncated);
      contents.push(...(resumed['events'] as Frame[]).map(({ message }) => message.content as string));
      cursor = resumed;
    }
    expect(contents).toEqual(Array.from({ length: 250 }, (_, i) => `m${i}`));
  });

  it('leaves what is stored meanwhile to the frames that follow, so that all is in order', async () => {
    const [three, four] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    const other = await createConversation(three, four);
    const write = (content: string) => three.get('send_message', { conversation_id: other, content });
    await write('before');
    const { data: before } = await four.next();
    const holder = new Client(t.connection);
    await holder.connect();
    await holder.query('begin; lock table message_reactions in access exclusive mode'); // blocks reading the messages
    const from = { conversation_id: other, message_id: 0, revision: 0 };
    four.send({ type: 'resume', cursors: [from] });
    const waits = `select 1 from pg_locks where not granted and relation = 'message_reactions'::regclass
      and database = (select oid from pg_database where datname = current_database())`;
    await expect.poll(() => t.dataSource.query<unknown[]>(waits)).toHaveLength(1);
    const { id: message } = await write('draft');
    three.send({ type: 'edit_message', conversation_id: other, message_id: message, content: 'final' });
    for (let i = 0; i < 2; i++) await three.next();
    const { id: last } = await write('after');
    const pushes = [await four.next(), await four.next(), await four.next()];
    expect(pushes.map(({ type }) => type as string)).toEqual(['send_message', 'conversation_event', 'send_message']);
    expect(pushes.map(({ data }) => (data as Frame)['id'] as number | undefined)).toEqual([message, undefined, last]);
    await holder.query('commit');
    await holder.end();
    const { type, data } = await four.next();
    expect(type).toBe('resume');
    const [{ events, ...cursor }] = (data as Frame)['conversations'] as [Frame];
    expect(events).toMatchObject([{ kind: 'message', message: { id: (before as Frame)['id'] as number } }]);
    expect(cursor).toMatchObject({ message_id: (before as Frame)['id'] as number, revision: 0, truncated: false });
  });

  it('tells of conversations of which the caller is no member', async () => {
    const [three] = (await connectUsers(t, 1, V2)) as [ChatClient];
    const cursors = [
      { conversation_id: id, message_id: 0, revision: 0 },
      { conversation_id: 1_000_000, message_id: 0, revision: 0 },
    ];
    const { conversations } = await three.get('resume', { cursors });
    const gone = { is_member: false, truncated: false, events: [] };
    expect(conversations).toEqual(cursors.map((cursor) => ({ ...cursor, ...gone })));
  });

  it.each([
    null,
    {},
    'x',
    [null],
    [{ conversation_id: 1 }],
    [{ conversation_id: 0, message_id: 0, revision: 0 }],
    [{ conversation_id: 1, message_id: -1, revision: 0 }],
    [{ conversation_id: 1, message_id: 0, revision: 2 ** 60 }],
    Array.from({ length: 2 }, () => ({ conversation_id: 1, message_id: 0, revision: 0 })),
    Array.from({ length: 101 }, (_, i) => ({ conversation_id: i + 1, message_id: 0, revision: 0 })),
  ])('refuses the cursors %j', async (cursors) => {
    expect(await one.ask('resume', { cursors })).toMatchObject({ code: 'invalid_frame' });
  });
});
