import { EventEmitter, once } from 'node:events';
import { WebSocket } from 'ws';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SignedInUser, TestApp } from './app.js';
import { assertDocumented } from './asyncapi.js';

// A test looks into frames of every shape and says what it expects to find.
// oxlint-disable-next-line typescript/no-explicit-any
export type Frame = Record<string, any>;

interface Options {
  /** Instead of the token as a Bearer header. */
  headers?: Record<string, string>;
  origin?: string;
}

/** A real client, which keeps every frame it gets and checks each against asyncapi.json. */
export class ChatClient {
  readonly frames: Frame[] = [];
  /** Code and reason, once it has closed. */
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

  /** The next frame that has not been taken yet. */
  async next(): Promise<Frame> {
    while (this.frames.length <= this.read && !this.closed) await once(this.changes, 'change');
    const frame = this.frames[this.read++];
    if (!frame) throw new Error(`closed with ${this.closed?.join(' ')} instead of a frame`);
    return frame;
  }

  /** Sends a frame, and takes the next one to come. */
  ask(type: string, fields: Frame = {}): Promise<Frame> {
    this.send({ type, ...fields });
    return this.next();
  }

  /** As `ask`, when it is to succeed: its data. */
  async get(type: string, fields: Frame = {}): Promise<Frame> {
    const frame = await this.ask(type, fields);
    expect(frame).toMatchObject({ success: true, type });
    return frame['data'] as Frame;
  }

  /** That nothing has come which was not taken: a ping is answered next. */
  async isQuiet(): Promise<void> {
    expect(await this.ask('ping')).toEqual({ success: true, type: 'ping', data: 'pong' });
  }

  /** Code and reason. */
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

/** Does not wait for the connection to open. */
export function dial(
  t: Pick<TestApp, 'url'>,
  { token, username }: Partial<SignedInUser>,
  options: Options = {},
): ChatClient {
  const headers = options.headers ?? (token === undefined ? {} : { authorization: `Bearer ${token}` });
  const { origin } = options;
  const socket = new WebSocket(socketUrl(t), { headers, ...(origin === undefined ? {} : { origin }) });
  return new ChatClient(socket, username ?? '');
}

export async function connect(
  t: Pick<TestApp, 'url'>,
  user: Partial<SignedInUser>,
  options: Options = {},
): Promise<ChatClient> {
  const client = dial(t, user, options);
  await once(client.socket, 'open');
  await client.isQuiet(); // now it is known who they are
  return client;
}

/** As many users, each connected, and known to be. */
export async function people(t: TestApp, count: number): Promise<ChatClient[]> {
  const clients: ChatClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await connect(t, await t.user()));
  const here =
    'select 1 from presences s join participants p on p.id = s.participant_id join users u on u.id = p.user_id where u.username = any ($1)';
  const names = clients.map(({ username }) => username);
  while ((await t.dataSource.query<unknown[]>(here, [names])).length < count) await sleep(10);
  return clients;
}

/** A conversation of these, its first frame taken by each. */
export async function conversation(...clients: ChatClient[]): Promise<number> {
  const [first] = clients;
  first!.send({ type: 'create_conversation', members: clients.map(({ username }) => username), name: 'Harbour' });
  const frames = await Promise.all(clients.map((client) => client.next()));
  expect(new Set(frames.map((frame) => JSON.stringify(frame))).size).toBe(1);
  return frames[0]!['data'].id as number;
}
