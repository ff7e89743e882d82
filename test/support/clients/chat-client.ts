import { EventEmitter, once } from 'node:events';
import { WebSocket } from 'ws';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SignedInUser, TestApp } from '../app.js';
import { assertDocumented } from '../api/asyncapi.js';

// Tests read frames of any shape.
// oxlint-disable-next-line typescript/no-explicit-any
export type Frame = Record<string, any>;

/** The options of a client that speaks `machi.v2`. */
export const V2 = { protocols: ['machi.v2'] };

interface Options {
  /** Replaces the Authorization header with the token. */
  headers?: Record<string, string>;
  origin?: string;
  protocols?: string[];
}

/** A WebSocket client that records all received frames and validates them against asyncapi.json. */
export class ChatClient {
  readonly frames: Frame[] = [];
  /** Code and reason, once the connection is closed. */
  closed: [number, string] | undefined;
  private read = 0;
  private readonly changes = new EventEmitter();

  constructor(
    readonly socket: WebSocket,
    readonly username: string,
  ) {
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      assertDocumented(frame);
      this.frames.push(frame);
      this.changes.emit('change');
    });
    socket.on('close', (code, reason) => {
      this.closed = [code, reason.toString()];
      this.changes.emit('change');
    });
    socket.on('error', () => undefined);
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Returns the next frame; waits for it if necessary. */
  async next(): Promise<Frame> {
    while (this.frames.length <= this.read && !this.closed) await once(this.changes, 'change');
    const frame = this.frames[this.read++];
    if (!frame) throw new Error(`closed with ${this.closed?.join(' ')} instead of a frame`);
    return frame;
  }

  /** Sends a request and returns the next frame. */
  ask(type: string, fields: Frame = {}): Promise<Frame> {
    this.send({ type, ...fields });
    return this.next();
  }

  /** Sends a request and returns its answer, past frames that answer no request. */
  async askPastPushes(type: string, fields: Frame = {}): Promise<Frame> {
    let frame = await this.ask(type, fields);
    while (frame['type'] !== type) frame = await this.next();
    return frame;
  }

  /** Sends a request, expects a success and returns its data. */
  async get(type: string, fields: Frame = {}): Promise<Frame> {
    const frame = await this.ask(type, fields);
    expect(frame).toMatchObject({ success: true, type });
    return frame['data'] as Frame;
  }

  /** Asserts that no unread frame was received: the next one answers a ping. */
  async expectNoFrame(): Promise<void> {
    expect(await this.ask('ping')).toEqual({ success: true, type: 'ping', data: 'pong' });
  }

  /** Waits until the connection is closed; returns code and reason. */
  async end(): Promise<[number, string]> {
    while (!this.closed) await once(this.changes, 'change');
    return this.closed;
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.end();
  }
}

export const socketUrl = ({ url }: Pick<TestApp, 'url'>): string => `${url.replace('http', 'ws')}/api/ws`;

/** Opens a connection without waiting for it. */
export function dial(
  t: Pick<TestApp, 'url'>,
  { token, username }: Partial<SignedInUser>,
  options: Options = {},
): ChatClient {
  const headers = options.headers ?? (token === undefined ? {} : { authorization: `Bearer ${token}` });
  const { origin, protocols = [] } = options;
  const socket = new WebSocket(socketUrl(t), protocols, { headers, ...(origin === undefined ? {} : { origin }) });
  return new ChatClient(socket, username ?? '');
}

/** Opens a connection and waits until it is authenticated. */
export async function connect(
  t: Pick<TestApp, 'url'>,
  user: Partial<SignedInUser>,
  options: Options = {},
): Promise<ChatClient> {
  const client = dial(t, user, options);
  await once(client.socket, 'open');
  if (client.socket.protocol === 'machi.v2')
    expect(await client.next()).toMatchObject({ success: true, type: 'hello' });
  await client.expectNoFrame(); // answered after authentication
  return client;
}

/** Creates and connects users; resolves when the database records them as online. */
export async function connectUsers(t: TestApp, count: number, options: Options = {}): Promise<ChatClient[]> {
  const clients: ChatClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await connect(t, await t.user(), options));
  const presences =
    'select 1 from presences s join participants p on p.id = s.participant_id join users u on u.id = p.user_id where u.username = any ($1)';
  const names = clients.map(({ username }) => username);
  while ((await t.dataSource.query<unknown[]>(presences, [names])).length < count) await sleep(10);
  return clients;
}

/** Creates a conversation of these clients, reads the frame that each gets, and returns the id. */
export async function createConversation(...clients: ChatClient[]): Promise<number> {
  const [first] = clients;
  first!.send({ type: 'create_conversation', members: clients.map(({ username }) => username), name: 'Harbour' });
  const frames = await Promise.all(clients.map((client) => client.next()));
  expect(new Set(frames.map((frame) => JSON.stringify(frame))).size).toBe(1);
  return frames[0]!['data'].id as number;
}
