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
let outsider: ChatClient;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
  [one, two, outsider] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
  [old] = (await connectUsers(t, 1)) as [ChatClient];
});
afterAll(() => t.stop());

/** Sends a message; every client in `others` reads its frame. Returns the id. */
async function send(client: ChatClient, conversation_id: number, content: string, ...others: ChatClient[]) {
  const { id } = await client.get('send_message', { conversation_id, content });
  for (const other of others) expect(await other.next()).toMatchObject({ type: 'send_message', data: { id } });
  return id as number;
}

const summaryOf = async (client: ChatClient, id: number): Promise<Frame> => {
  const { conversations } = await client.get('sync', { before: id + 1 });
  const [summary] = conversations as Frame[];
  expect(summary!['id']).toBe(id);
  return summary!;
};

describe('sync', () => {
  it('returns name, last message, counts and the role of the caller', async () => {
    const id = await createConversation(one, two, old);
    expect(await summaryOf(one, id)).toMatchObject({
      name: 'Harbour',
      role: 'owner',
      members_count: 3,
      unread_count: 0,
      read_message_id: null,
      last_message: null,
    });
    await send(one, id, 'first', two, old);
    const message = await send(old, id, 'second', one, two);
    expect(await summaryOf(one, id)).toMatchObject({ unread_count: 1 });
    expect(await summaryOf(two, id)).toEqual({
      id,
      name: 'Harbour',
      revision: 3,
      members_count: 3,
      role: 'member',
      unread_count: 2,
      read_message_id: null,
      last_message: {
        id: message,
        sender_username: old.username,
        reply_id: null,
        content: 'second',
        sent_at: expect.any(Number) as number,
        edited_at: null,
        is_deleted: false,
        reactions: [],
      },
    });
  });

  it('returns 100 conversations at a time', async () => {
    const [client] = (await connectUsers(t, 1, V2)) as [ChatClient];
    for (let i = 0; i < 101; i++) client.send({ type: 'create_conversation', members: [], name: `n${i}` });
    for (let i = 0; i < 101; i++) await client.next();
    const first = await client.get('sync');
    expect(first['conversations']).toHaveLength(100);
    expect(first['conversations'][0].name).toBe('n100');
    const second = await client.get('sync', { before: first['next'] });
    expect(second).toMatchObject({ conversations: [{ name: 'n0' }], next: null });
  });

  it('shows the messages of a blocked user as blocked', async () => {
    const [three, four] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    const id = await createConversation(three, four, old);
    await send(four, id, 'unpleasant', three, old);
    await three.get('block', { username: four.username });
    expect(await summaryOf(three, id)).toMatchObject({ last_message: { content: '[blocked]' } });
  });

  it('and the other requests of this page are unknown to old clients', async () => {
    for (const type of ['sync', 'resume', 'mark_read', 'typing', 'ack']) {
      const answer = await old.ask(type, { conversation_id: 1, message_id: 1, cursors: [] });
      expect(answer).toEqual({ success: false, type: 'root', error: 'There is no such type.' });
    }
  });
});

describe('mark_read', () => {
  it('moves the read position forward only, and tells the other members who speak machi.v2', async () => {
    const id = await createConversation(one, two, old);
    const messages = [];
    for (let i = 0; i < 3; i++) messages.push(await send(old, id, `m${i}`, one, two));
    const position = { conversation_id: id, read_message_id: messages[1], unread_count: 1 };
    one.send({ type: 'mark_read', conversation_id: id, message_id: messages[1] });
    const receipt = {
      type: 'message_read',
      data: { conversation_id: id, username: one.username, message_id: messages[1] },
    };
    expect(await one.next()).toMatchObject(receipt);
    expect(await one.next()).toMatchObject({ type: 'mark_read', data: position });
    expect(await two.next()).toMatchObject(receipt);
    expect(await one.get('mark_read', { conversation_id: id, message_id: messages[0] })).toEqual(position);
    expect(await summaryOf(one, id)).toMatchObject({ unread_count: 1, read_message_id: messages[1] });
    await two.expectNoFrame();
    await old.expectNoFrame();
    const { members } = await two.get('get_members', { conversation_id: id });
    expect(members).toContainEqual({ username: one.username, role: 'owner', read_message_id: messages[1] });
  });

  it('refuses messages of other conversations and callers who are no members', async () => {
    const id = await createConversation(one, two);
    const message = await send(one, await createConversation(one, two), 'elsewhere', two);
    const codeOf = async (client: ChatClient, fields: Frame) =>
      (await client.ask('mark_read', fields))['code'] as string;
    expect(await codeOf(one, { conversation_id: id, message_id: message })).toBe('message_not_found');
    expect(await codeOf(outsider, { conversation_id: id, message_id: message })).toBe('conversation_not_found');
    expect(await codeOf(one, { conversation_id: id, message_id: '1' })).toBe('invalid_frame');
  });

  it('is not undone by a message that is sent at the same time', async () => {
    await t.warmUp();
    const id = await createConversation(one, two);
    const first = await send(two, id, 'first', one);
    for (let i = 0; i < 30; i++) {
      one.send({ type: 'send_message', conversation_id: id, content: `m${i}` });
      one.send({ type: 'mark_read', conversation_id: id, message_id: first });
    }
    let position: Frame | undefined;
    for (let answers = 0; answers < 60;) {
      const frame = await one.next();
      if (frame['type'] !== 'message_read') answers++;
      if (frame['type'] === 'mark_read') position = frame['data'] as Frame;
    }
    expect(position).toMatchObject({ unread_count: 0 });
    expect(await summaryOf(one, id)).toMatchObject({ unread_count: 0 });
    for (let i = 0; i < 30;) if ((await two.next())['type'] === 'send_message') i++;
  });

  it('tells nothing between users of whom one has blocked the other', async () => {
    const [three, four, five] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
    const id = await createConversation(three, four, five);
    const message = await send(five, id, 'm', three, four);
    await four.get('block', { username: three.username });
    three.send({ type: 'mark_read', conversation_id: id, message_id: message });
    three.send({ type: 'typing', conversation_id: id });
    expect(await five.next()).toMatchObject({ type: 'message_read' });
    expect(await five.next()).toMatchObject({ type: 'user_typing' });
    await four.expectNoFrame();
    const { members } = await four.get('get_members', { conversation_id: id });
    expect(members).toContainEqual({ username: three.username, role: 'owner', read_message_id: null });
  });
});

describe('typing', () => {
  it('tells the other members who speak machi.v2, at most every three seconds', async () => {
    const id = await createConversation(one, two, old);
    for (let i = 0; i < 3; i++)
      expect(await one.get('typing', { conversation_id: id })).toEqual({ conversation_id: id });
    const typing = { success: true, type: 'user_typing', data: { conversation_id: id, username: one.username } };
    expect(await two.next()).toEqual(typing);
    await two.expectNoFrame();
    await old.expectNoFrame();
    t.clock.advance(3_001);
    await one.get('typing', { conversation_id: id });
    expect(await two.next()).toEqual(typing);
    expect(await outsider.ask('typing', { conversation_id: id })).toMatchObject({ code: 'conversation_not_found' });
  });
});

describe('ack', () => {
  it('returns the number of frames that are answered', async () => {
    const client = await connect(t, await t.user(), V2); // has sent a ping
    expect(await client.get('ack')).toEqual({ frames: 2 });
    const id = await createConversation(client);
    for (let i = 0; i < 5; i++) client.send({ type: 'send_message', conversation_id: id, content: 'x' });
    client.send('not JSON');
    client.send({ type: 'ack' });
    for (let i = 0; i < 5; i++) expect(await client.next()).toMatchObject({ type: 'send_message', success: true });
    expect(await client.next()).toMatchObject({ type: 'root', success: false });
    expect(await client.next()).toMatchObject({ type: 'ack', data: { frames: 10 } });
  });
});

describe('over HTTP', () => {
  it('GET /api/chat/conversations returns what sync returns, and PUT …/read marks messages as read', async () => {
    const id = await createConversation(one, two);
    const message = await send(two, id, 'm', one);
    const token = await t.signIn(one.username, 'cloudy harbour seven');
    const list = await t.request('GET', '/api/chat/conversations?limit=1', { token });
    expect(list.body.items).toMatchObject([{ id, unread_count: 1, last_message: { id: message } }]);
    const path = `/api/chat/conversations/${id}/read` as '/api/chat/conversations/{conversation}/read';
    const { body } = await t.request('PUT', path, { token, body: { message_id: message } });
    expect(body).toEqual({ conversation_id: id, read_message_id: message, unread_count: 0 });
    for (const client of [one, two]) expect(await client.next()).toMatchObject({ type: 'message_read' });
    for (const message_id of [0, -1, 1.5, '1', null, 2 ** 60]) {
      expect((await t.request('PUT', path, { token, body: { message_id } })).status).toBe(422);
    }
  });
});
