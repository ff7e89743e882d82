import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ChatClient, type ChatClose, type ChatError, MachiClient, MemorySessionStore } from '../dist/index.js';

/** A WebSocket whose server admits every connection and answers every request. */
class FakeSocket {
  static readonly all: FakeSocket[] = [];
  readonly sent: { type: string; request_id?: string }[] = [];
  isClosed = false;
  private readonly listeners = new Map<string, (event: object) => void>();

  constructor() {
    FakeSocket.all.push(this);
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.listeners.set(type, listener as (event: object) => void);
  }

  send(text: string): void {
    const frame = JSON.parse(text) as { type: string; request_id?: string };
    this.sent.push(frame);
    if (frame.request_id !== undefined) this.receive({ ...frame, success: true, data: 'pong' });
  }

  close(): void {
    this.isClosed = true;
  }

  admit(id = 'hana'): void {
    this.fire('open', {});
    const limits = { message_burst: 10, messages_per_second: 10, frame_bytes: 1000 };
    this.receive({ success: true, type: 'hello', data: { user: { id, username: id }, limits } });
  }

  receive(frame: object): void {
    this.fire('message', { data: JSON.stringify(frame) });
  }

  fire(type: string, event: object): void {
    this.listeners.get(type)!(event);
  }
}

afterEach(() => {
  FakeSocket.all.length = 0;
  vi.useRealTimers();
});

function newChat(): ChatClient {
  const store = new MemorySessionStore();
  store.set({ id: 'a', identity_token: 'token' });
  return new MachiClient({ baseUrl: 'http://machi.test', store }).chat({ WebSocket: FakeSocket, random: () => 0 });
}

async function connectedChat(): Promise<{ chat: ChatClient; socket: FakeSocket }> {
  const chat = newChat();
  chat.connect();
  await vi.waitFor(() => expect(FakeSocket.all).toHaveLength(1));
  const [socket] = FakeSocket.all;
  socket!.admit();
  return { chat, socket: socket! };
}

describe('the chat', () => {
  it('opens one connection when it is connected, closed and connected again at once', async () => {
    const chat = newChat();
    chat.connect();
    chat.close();
    chat.connect();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(FakeSocket.all.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
    chat.close();
    expect(FakeSocket.all.filter(({ isClosed }) => !isClosed)).toEqual([]);
  });

  it('sends requests also after the clock was set back', async () => {
    vi.useFakeTimers({ now: Date.parse('2026-05-01T12:00:00Z') });
    const { chat } = await connectedChat();
    vi.setSystemTime(Date.parse('2026-05-01T11:00:00Z'));
    const answers = Promise.all(Array.from({ length: 20 }, () => chat.request('ping', {})));
    await vi.advanceTimersByTimeAsync(5000);
    await expect(Promise.race([answers, Promise.resolve('waiting')])).resolves.toHaveLength(20);
    chat.close();
  });

  it('gives up a silent connection also after the clock was set back', async () => {
    vi.useFakeTimers({ now: Date.parse('2026-05-01T12:00:00Z') });
    const { chat, socket } = await connectedChat();
    vi.setSystemTime(Date.parse('2026-05-01T11:00:00Z'));
    await vi.advanceTimersByTimeAsync(90_000);
    expect(socket.isClosed).toBe(true);
    chat.close();
  });

  it.each(['<html>', 'null', '1', new ArrayBuffer(2)])('reconnects after a frame that is none: %j', async (data) => {
    const { chat, socket } = await connectedChat();
    const closes: number[] = [];
    chat.on('close', ({ code }: ChatClose) => closes.push(code));
    socket.fire('message', { data });
    expect([socket.isClosed, closes, chat.state]).toEqual([true, [1006], 'waiting']);
    chat.close();
  });

  it.each([
    ['ren', false],
    ['hana', true],
  ])('sends what waits for a connection as the user who wrote it: %s', async (next, isSent) => {
    const { chat, socket } = await connectedChat();
    chat.presence.set('mika', true);
    socket.fire('close', { code: 1006, reason: '' });
    const message = chat.send(1, 'Not for other users').then(
      () => 'sent',
      (error: ChatError) => error.code,
    );
    await vi.waitFor(() => expect(FakeSocket.all).toHaveLength(2));
    FakeSocket.all[1]!.admit(next);
    expect(await message).toBe(isSent ? 'sent' : 'closed');
    expect(FakeSocket.all[1]!.sent.some(({ type }) => type === 'send_message')).toBe(isSent);
    expect(chat.presence.has('mika')).toBe(isSent);
    chat.close();
  });

  it('leaves no timer behind when it is closed', async () => {
    vi.useFakeTimers();
    const { chat, socket } = await connectedChat();
    socket.fire('close', { code: 1006, reason: '' });
    expect(vi.getTimerCount()).toBe(1);
    chat.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
