import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import { randomOf } from '../../../test/support/clients/chat-tester.js';
import { jpegOf } from '../../../test/support/files/images.js';
import { startProxy } from '../../../test/support/servers/tcp-proxy.js';
import { type ChatClient, type ChatClose, ChatError, type ChatMessage, MachiClient } from '../dist/index.js';

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

async function signIn(user: SignedInUser, baseUrl = t.url): Promise<MachiClient> {
  const machi = new MachiClient({ baseUrl });
  await machi.signIn(user.username, PASSWORD);
  return machi;
}

/** A connected chat. Pauses are short: random numbers are near 0. */
async function connect(machi: MachiClient): Promise<ChatClient> {
  const chat = machi.chat({ WebSocket, random: () => 0.02 });
  chats.push(chat);
  chat.connect();
  await chat.request('ping', {});
  return chat;
}

const chatOf = async (user: SignedInUser): Promise<ChatClient> => connect(await signIn(user));

async function converse(chat: ChatClient, ...others: SignedInUser[]): Promise<number> {
  const members = others.map(({ username }) => username);
  return (await chat.request('create_conversation', { members, name: 'Harbour' })).id;
}

function closesOf(chat: ChatClient): [number, string][] {
  const closes: [number, string][] = [];
  chat.on('close', ({ code, reason }: ChatClose) => closes.push([code, reason]));
  return closes;
}

async function chatErrorOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof ChatError ? error.code : String(error);
}

describe('the chat', () => {
  it('uploads pictures with progress, sends them, and the receiver gets their addresses', async () => {
    const machi = await signIn(hana);
    const reader = await signIn(ren);
    const [one, two] = [await connect(machi), await connect(reader)];
    const id = await converse(one, ren);
    const received = new Promise<ChatMessage>((resolve) => two.subscribe(id, resolve));
    const file = new Blob([new Uint8Array(await jpegOf(300_000))], { type: 'image/jpeg' });
    const progress: number[] = [];
    const picture = await machi.api.uploadAttachment({
      body: { file },
      onProgress: ({ loaded, total }) => progress.push(loaded / total),
    });
    expect(progress.at(-1)).toBe(1);
    const sent = await one.send(id, '', { attachments: [picture] });
    expect(sent).toMatchObject({
      content: '',
      attachments: [{ id: picture.id, media_type: 'image/jpeg', width: 320 }],
    });
    expect(await received).toEqual(sent);
    const { images } = await reader.api.getAttachment({ path: { id: picture.id } });
    expect((await fetch(t.url + images.thumbnail)).headers.get('content-type')).toBe('image/jpeg');
    expect(await chatErrorOf(one.send(id, 'again', { attachments: [picture] }))).toBe('attachment_used');
  });

  it('connects with a token in its first frame, and answers requests with typed data', async () => {
    const chat = await chatOf(hana);
    expect(chat.self).toMatchObject({ id: hana.id, username: hana.username });
    expect(await chat.request('self', {})).toMatchObject({ username: hana.username, is_online: true });
    expect(await chatErrorOf(chat.request('get_messages', { conversation_id: 999_999 }))).toBe(
      'conversation_not_found',
    );
  });

  it('delivers messages to all members, and the pages of before', async () => {
    const [first, second] = [await chatOf(hana), await chatOf(ren)];
    const id = await converse(first, ren);
    const sent = await first.send(id, 'The lanterns are up.');
    const received: string[] = [];
    second.subscribe(id, ({ content }) => received.push(content));
    await expect.poll(() => received).toEqual(['The lanterns are up.']);
    await first.send(id, 'Come by.', { replyTo: sent.id });
    await expect.poll(() => received).toEqual(['The lanterns are up.', 'Come by.']);
    const history: string[] = [];
    for await (const { content } of second.history(id)) history.push(content);
    expect(history).toEqual(received.toReversed());
  });

  it('tells when a contact comes online and goes offline', async () => {
    const [first, second] = [await chatOf(hana), await chatOf(ren)];
    await first.request('add_contact', { contact_username: ren.username });
    await second.request('accept_contact', { contact_username: hana.username });
    await expect.poll(() => first.presence.get(ren.username)).toBe(true);
    expect(second.presence.get(hana.username)).toBe(true);
    second.close();
    await expect.poll(() => first.presence.get(ren.username)).toBe(false);
  });

  it('rejects a frame that the server would not accept, and stays connected', async () => {
    const chat = await chatOf(hana);
    const closes = closesOf(chat);
    const id = await converse(chat, ren);
    expect(await chatErrorOf(chat.send(id, 'x'.repeat(1_100_000)))).toBe('frame_too_long');
    expect(await chat.request('ping', {})).toBe('pong');
    expect(closes).toEqual([]);
  });
});

describe('a lost connection', () => {
  it('neither loses nor doubles nor reorders messages of both sides', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: t.port } as never);
    const baseUrl = `http://127.0.0.1:${proxy.connection.port}`;
    const [first, second] = [await connect(await signIn(hana, baseUrl)), await connect(await signIn(ren, baseUrl))];
    const id = await converse(first, ren);
    const received = new Map<ChatClient, ChatMessage[]>();
    for (const chat of [first, second]) {
      received.set(chat, []);
      chat.subscribe(id, (message) => received.get(chat)!.push(message), { after: 0 });
    }
    const random = randomOf(7);
    const sent: Promise<ChatMessage>[] = [];
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 12; i++) {
        sent.push(first.send(id, `hana ${round} ${i}`), second.send(id, `ren ${round} ${i}`));
        if (i % 4 === 3) await sleep(random() * 8);
      }
      proxy.restore(); // ends all connections
    }
    const stored = await Promise.all(sent);
    expect(new Set(stored.map(({ id: message }) => message)).size).toBe(192);
    for (const messages of received.values()) {
      await expect.poll(() => messages.length).toBe(192);
      expect(messages.map(({ id: message }) => message)).toEqual(
        stored.map((message) => message.id).toSorted((a, b) => a - b),
      );
    }
    const own = received.get(first)!.filter(({ content }) => content.startsWith('hana'));
    expect(own.map(({ content }) => content)).toEqual(
      Array.from({ length: 96 }, (_, i) => `hana ${Math.floor(i / 12)} ${i % 12}`),
    );
    proxy.stop();
  });

  it('rejects a change whose outcome is unknown', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: t.port } as never);
    const chat = await connect(await signIn(hana, `http://127.0.0.1:${proxy.connection.port}`));
    proxy.freeze();
    const change = chat.request('create_conversation', { members: [ren.username] });
    proxy.restore();
    expect(await chatErrorOf(change)).toBe('connection_lost');
    expect(await chat.request('ping', {})).toBe('pong');
    proxy.stop();
  });
});

describe('the token', () => {
  it('is renewed when it expires soon, and the connection stays', async () => {
    const chat = await chatOf(hana);
    const closes = closesOf(chat);
    const renewals: unknown[] = [];
    chat.on('auth', (data) => renewals.push(data));
    t.clock.advance(15 * 60_000 - 20_000);
    await expect.poll(() => renewals.length).toBe(1);
    t.clock.advance(60_000);
    expect(await chat.request('ping', {})).toBe('pong');
    expect(closes).toEqual([]);
  });

  it('is refreshed after it has expired while the connection was lost', async () => {
    const machi = await signIn(hana);
    t.clock.advance(15 * 60_000 + 1000);
    const chat = machi.chat({ WebSocket, random: () => 0 });
    chats.push(chat);
    const closes = closesOf(chat);
    chat.connect();
    expect(await chat.request('ping', {})).toBe('pong');
    expect(closes).toEqual([[4401, 'login-token expired']]);
  });

  it('that was revoked closes the chat, and connect works after the next sign-in', async () => {
    const machi = await signIn(hana);
    const chat = await connect(machi);
    const closes = closesOf(chat);
    await t.request('DELETE', '/api/sessions', { token: hana.token });
    await expect.poll(() => chat.state).toBe('closed');
    expect([closes, machi.isSignedIn]).toEqual([[[4401, 'signed out']], false]);
    hana.token = await t.signIn(hana.username, PASSWORD);
    await machi.signIn(hana.username, PASSWORD);
    chat.connect();
    expect(await chat.request('ping', {})).toBe('pong');
  });

  it('that is missing closes the chat without a connection', async () => {
    const chat = new MachiClient({ baseUrl: t.url }).chat({ WebSocket });
    chat.connect();
    await expect.poll(() => chat.state).toBe('closed');
    expect(await chatErrorOf(chat.request('ping', {}))).toBe('closed');
  });
});
