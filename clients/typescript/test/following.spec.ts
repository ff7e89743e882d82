import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import { randomOf } from '../../../test/support/clients/chat-tester.js';
import { startProxy } from '../../../test/support/servers/tcp-proxy.js';
import { type ChatClient, type ChatCursor, type ChatEvent, MachiClient } from '../dist/index.js';

let t: TestApp;
let hana: SignedInUser;
let ren: SignedInUser;
const chats: ChatClient[] = [];

beforeAll(async () => {
  t = await startApp();
  [hana, ren] = [await t.user(), await t.user()];
});
afterEach(() => {
  for (const chat of chats.splice(0)) chat.close();
  t.clock.run();
});
afterAll(() => t.stop());

async function chatOf(user: SignedInUser, baseUrl = t.url): Promise<ChatClient> {
  const machi = new MachiClient({ baseUrl });
  await machi.signIn(user.username, PASSWORD);
  const chat = machi.chat({ WebSocket, random: () => 0.02 });
  chats.push(chat);
  chat.connect();
  await chat.request('ping', {});
  return chat;
}

const converse = async (chat: ChatClient, ...others: SignedInUser[]): Promise<number> =>
  (await chat.request('create_conversation', { members: others.map(({ username }) => username), name: 'Harbour' })).id;

const START = { message_id: 0, revision: 0 };

it('follow delivers messages and events once and in order, over lost connections', async () => {
  const proxy = await startProxy({ host: '127.0.0.1', port: t.port } as never);
  const first = await chatOf(hana);
  const second = await chatOf(ren, `http://127.0.0.1:${proxy.connection.port}`);
  const id = await converse(first, ren);
  const received: ChatEvent[] = [];
  const errors: unknown[] = [];
  const following = second.follow([{ conversation_id: id, ...START }], (event) => received.push(event), {
    onError: (error) => errors.push(error),
  });
  const random = randomOf(11);
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 5; i++) {
      const { id: message_id } = await first.send(id, `draft ${round} ${i}`);
      await first.request('edit_message', { conversation_id: id, message_id, content: `final ${round} ${i}` });
      if (i === 2) await first.request('rename', { conversation_id: id, name: `name ${round}` });
      await sleep(random() * 5);
    }
    proxy.restore(); // ends all connections
  }
  await expect.poll(() => received.length, { timeout: 15_000 }).toBe(6 * 11);
  const round = ['message', 'message_edited'];
  const kinds = [...round, ...round, ...round, 'renamed', ...round, ...round];
  expect(received.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => kinds).flat());
  expect(errors).toEqual([]);
  const edited = received.filter(({ kind }) => kind === 'message_edited').map(({ content }) => content);
  expect(new Set(edited).size).toBe(30);
  const { message_id, revision } = following.cursors[0]!;
  for await (const conversation of second.conversations())
    expect(conversation).toMatchObject({ revision, last_message: { id: message_id } });
  proxy.stop();
});

it('subscribe and follow deliver nothing over a gap when fetching what was missed fails, and fetch it later', async () => {
  const [first, second] = [await chatOf(hana), await chatOf(ren)];
  const id = await converse(first, ren);
  await first.send(id, 'one');
  const [messages, events]: string[][] = [[], []];
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  await t.dataSource.query('alter table message_reactions rename to hidden_reactions');
  try {
    second.subscribe(id, ({ content }) => messages!.push(content), { after: 0, onError });
    second.follow([{ conversation_id: id, ...START }], ({ message }) => events!.push(message!.content), { onError });
    await expect.poll(() => errors.length).toBe(2);
    await first.send(id, 'two');
    await expect.poll(() => errors.length).toBe(4);
    expect([messages, events]).toEqual([[], []]);
  } finally {
    await t.dataSource.query('alter table hidden_reactions rename to message_reactions');
  }
  await first.send(id, 'three');
  await expect
    .poll(() => [messages, events])
    .toEqual([
      ['one', 'two', 'three'],
      ['one', 'two', 'three'],
    ]);
});

it('follow goes on at stored cursors, and tells when the user was removed', async () => {
  const first = await chatOf(hana);
  const id = await converse(first, ren);
  await first.send(id, 'one');
  let cursors: ChatCursor[] = [];
  const follow = async (count: number): Promise<(string | undefined)[]> => {
    const second = await chatOf(ren);
    const received: (string | undefined)[] = [];
    const from = cursors.length > 0 ? cursors : [{ conversation_id: id, ...START }];
    const following = second.follow(from, ({ message }) => received.push(message?.content));
    await expect.poll(() => received.length).toBe(count);
    ({ cursors } = following);
    second.close();
    return received;
  };
  expect(await follow(1)).toEqual(['one']);
  await first.send(id, 'two');
  await first.send(id, 'three');
  expect(await follow(2)).toEqual(['two', 'three']);
  await first.request('remove_member', { conversation_id: id, username: ren.username });
  const second = await chatOf(ren);
  const left: number[] = [];
  second.follow(cursors, () => undefined, { onLeft: (conversation) => left.push(conversation) });
  await expect.poll(() => left).toEqual([id]);
});

it('conversations and requests have typed answers: unread counts, roles, reactions, search', async () => {
  const [first, second] = [await chatOf(hana), await chatOf(ren)];
  const id = await converse(first, ren);
  const { id: message_id } = await first.send(id, 'The lanterns are up.');
  const find = async (chat: ChatClient) => {
    for await (const conversation of chat.conversations()) if (conversation.id === id) return conversation;
    throw new Error('not listed');
  };
  expect(await find(second)).toMatchObject({ unread_count: 1, role: 'member', members_count: 2 });
  const reads: string[] = [];
  first.on('message_read', ({ username }) => reads.push(username));
  expect(await second.request('mark_read', { conversation_id: id, message_id })).toMatchObject({ unread_count: 0 });
  await expect.poll(() => reads).toEqual([ren.username]);
  await second.request('react', { conversation_id: id, message_id, emoji: '🎉' });
  const { messages } = await first.request('search_messages', { conversation_id: id, query: 'lantern' });
  expect(messages).toMatchObject([{ id: message_id, reactions: [{ emoji: '🎉', count: 1, is_own: false }] }]);
  await first.request('set_role', { conversation_id: id, username: ren.username, role: 'admin' });
  expect((await find(second)).role).toBe('admin');
});
