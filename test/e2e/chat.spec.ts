import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type RawData, WebSocket } from 'ws';
import { Client, MACHI_URL, type Session } from './client.js';

const URL_OF_CHAT = `${MACHI_URL.replace(/^http/, 'ws')}/api/ws`;
const client = new Client();

type Frame = Record<string, unknown>;

const open: Chat[] = [];
afterEach(() => open.splice(0).forEach(({ socket }) => socket.terminate()));

/** A connection that keeps what it gets. */
class Chat {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;

  constructor(headers: Record<string, string>) {
    this.socket = new WebSocket(URL_OF_CHAT, { headers });
    this.socket.on('message', (data: RawData) => this.frames.push(JSON.parse((data as Buffer).toString()) as Frame));
    this.socket.on('error', () => undefined);
    open.push(this);
  }

  static async of({ identity_token }: Session): Promise<Chat> {
    const chat = new Chat({ authorization: `Bearer ${identity_token}` });
    await once(chat.socket, 'open');
    return chat;
  }

  send(type: string, fields: Frame = {}): void {
    this.socket.send(JSON.stringify({ type, ...fields }));
  }

  /** The data of the first success of this type. */
  async received(type: string): Promise<Frame> {
    const find = () => this.frames.find((frame) => frame['type'] === type && frame['success'] === true);
    await expect.poll(find, { timeout: 10_000 }).toBeDefined();
    return find()!['data'] as Frame;
  }

  ask(type: string, fields: Frame = {}): Promise<Frame> {
    this.send(type, fields);
    return this.received(type);
  }
}

describe('the chat', () => {
  it('answers ping and returns the caller', async () => {
    const hana = await client.user();
    const chat = await Chat.of(hana);
    expect(await chat.ask('ping')).toBe('pong');
    expect(await chat.ask('self')).toMatchObject({ username: hana.user.username, is_online: true });
  });

  it('accepts the cookie of a sign-in', async () => {
    const { identity_token } = await client.user();
    const chat = new Chat({ cookie: `login-token=${identity_token}` });
    await once(chat.socket, 'open');
    expect(await chat.ask('ping')).toBe('pong');
  });

  it('delivers a message to all members of a conversation and stores it', async () => {
    const [hana, rika] = [await client.user(), await client.user()];
    const [a, b] = [await Chat.of(hana), await Chat.of(rika)];
    const { id } = await a.ask('create_conversation', { members: [rika.user.username], name: 'Tea' });
    expect(await b.received('create_conversation')).toMatchObject({ id, name: 'Tea' });
    a.send('send_message', { conversation_id: id, content: 'お茶でも？' });
    for (const chat of [a, b]) {
      expect(await chat.received('send_message')).toMatchObject({
        conversation_id: id,
        sender_username: hana.user.username,
        content: 'お茶でも？',
        reply_id: null,
      });
    }
    const { messages } = await b.ask('get_messages', { conversation_id: id });
    expect(messages).toHaveLength(1);
  });

  it('notifies contacts when a user comes online', async () => {
    const [hana, rika] = [await client.user(), await client.user()];
    const a = await Chat.of(hana);
    await a.ask('add_contact', { contact_username: rika.user.username });
    await Chat.of(rika);
    expect(await a.received('user_status')).toEqual({ username: rika.user.username, is_online: true });
  });

  it('answers invalid frames with an error and stays open', async () => {
    const chat = await Chat.of(await client.user());
    chat.socket.send('no json');
    await expect.poll(() => chat.frames.at(-1)).toMatchObject({ success: false, type: 'root' });
    expect(await chat.ask('ping')).toBe('pong');
  });

  it.each([
    ['no token', {}, 'login-token required'],
    ['junk', { cookie: 'login-token=junk' }, 'invalid login-token'],
  ])('closes at once with %s', async (_, headers, reason) => {
    const { socket } = new Chat(headers);
    const [, why] = (await once(socket, 'close')) as [number, Buffer];
    expect(why.toString()).toBe(reason);
  });

  it('closes when the session is revoked', async () => {
    const hana = await client.user();
    const { socket } = await Chat.of(hana);
    const closed = once(socket, 'close');
    await client.request('DELETE', '/api/sessions', { token: hana.identity_token });
    await closed;
  });

  it('refuses foreign origins and plain HTTP requests', async () => {
    const { identity_token } = await client.user();
    const { socket } = new Chat({ cookie: `login-token=${identity_token}`, origin: 'https://evil.example' });
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(403);
    expect((await client.get('/api/ws', identity_token)).status).toBe(400);
  });
});
