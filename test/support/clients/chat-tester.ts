import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type ChatClient, dial, type Frame } from './chat-client.js';
import type { MachiProcess } from '../servers/machi-process.js';

const PAGE = 100;

/** A registered user. */
export interface Credentials {
  username: string;
  token: string;
}

/** What a tester has received over one connection. */
class ConnectionRecord {
  /** Ids of pushed messages, including repeated answers to the tester's own messages. */
  readonly pushed: number[] = [];
  /** Contents of all messages, pushed or fetched, by id. */
  readonly seen = new Map<number, string>();
  /** Whether all messages since the last connection have been fetched. */
  isComplete = false;
}

/**
 * A client that follows `docs/chat.md`: it gives each message a nonce, sends unanswered messages again, and fetches what
 * it has missed after each disconnection. It records all that it receives.
 */
export class ChatTester {
  /** Contents by nonce. */
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  /** Ids of the messages of the conversation, in the order in which the tester learned of them. */
  readonly history: number[] = [];
  readonly connections: ConnectionRecord[] = [];
  /** Received frames that no client may receive. */
  readonly faults: string[] = [];
  private counter = 0;
  private isDone = false;

  constructor(
    readonly user: Credentials,
    private readonly conversation_id: number,
    private readonly machi: () => MachiProcess,
    private readonly random: () => number,
  ) {}

  /** Connects and disconnects repeatedly until `stop`, then until all messages are acknowledged and fetched. */
  async run(): Promise<void> {
    while (!this.isDone || this.acknowledged.size < this.sent.size) await this.connectOnce();
    while (!(await this.connectOnce())) continue;
  }

  stop(): void {
    this.isDone = true;
  }

  isOwn(content: string): boolean {
    return content.startsWith(`message ${this.user.username}-`);
  }

  /** Holds one connection for a while. Returns whether all missed messages were fetched. */
  private async connectOnce(): Promise<boolean> {
    const record = new ConnectionRecord();
    this.connections.push(record);
    const client = dial(this.machi(), this.user);
    const until = performance.now() + 300 + this.random() * 1500;
    let handled = 0;
    let isResumed = false;
    while (!client.closed && performance.now() < until) {
      for (; handled < client.frames.length; handled++) this.handle(client, record, client.frames[handled]!);
      if (client.socket.readyState === client.socket.OPEN) {
        if (!isResumed) this.resume(client);
        else if (!this.isDone) this.sendNew(client);
        isResumed = true;
      }
      await sleep(3 + this.random() * 20);
    }
    client.socket.terminate();
    await client.end();
    for (; handled < client.frames.length; handled++) this.handle(client, record, client.frames[handled]!);
    if (record.isComplete) this.remember(record);
    return record.isComplete;
  }

  private resume(client: ChatClient): void {
    this.fetch(client);
    for (const [nonce, content] of this.sent) {
      if (!this.acknowledged.has(nonce)) this.send(client, nonce, content);
    }
  }

  private sendNew(client: ChatClient): void {
    const nonce = `${this.user.username}-${this.counter++}`;
    this.sent.set(nonce, `message ${nonce}`);
    this.send(client, nonce, `message ${nonce}`);
  }

  private send(client: ChatClient, nonce: string, content: string): void {
    client.send({ type: 'send_message', conversation_id: this.conversation_id, content, nonce });
  }

  private fetch(client: ChatClient, before?: number): void {
    if (client.socket.readyState !== client.socket.OPEN) return;
    client.send({ type: 'get_messages', conversation_id: this.conversation_id, before });
  }

  private handle(client: ChatClient, record: ConnectionRecord, { success, type, data, error }: Frame): void {
    if (!success) {
      if (!/database/i.test(error as string)) this.faults.push(error as string);
      if (type === 'get_messages') client.socket.terminate(); // fetched again over the next connection
    } else if (data.conversation_id !== this.conversation_id) {
      this.faults.push(`a frame of conversation ${data.conversation_id}`);
    } else if (type === 'send_message') {
      record.pushed.push(data.id as number);
      this.learn(record, data as Frame);
    } else {
      const messages = data.messages as Frame[];
      for (const message of messages) this.learn(record, message);
      const oldest = (messages.at(-1)?.['id'] ?? 0) as number;
      if (messages.length < PAGE || oldest <= this.last) record.isComplete = true;
      else this.fetch(client, oldest);
    }
  }

  private get last(): number {
    return this.history.at(-1) ?? 0;
  }

  private learn(record: ConnectionRecord, { id, content }: Frame): void {
    record.seen.set(id as number, content as string);
    if (this.isOwn(content as string)) this.acknowledged.add((content as string).slice('message '.length));
  }

  private remember({ seen }: ConnectionRecord): void {
    const { last } = this;
    this.history.push(...[...seen.keys()].filter((id) => id > last).toSorted((a, b) => a - b));
  }
}

/** The generator mulberry32: the same seed gives the same numbers. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface StoredRow {
  id: number;
  sequence: number;
  content: string;
}

/**
 * Asserts that the stored messages of a conversation are those that its testers have sent, each once, and that every tester and
 * every connection has seen them in that order and without a gap. `rows` are in the order of the database.
 */
export function checkHistory(rows: StoredRow[], members: ChatTester[], minimum: number): void {
  const ids = rows.map(({ id }) => id);
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, i) => i + 1));
  expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  const sent = members.flatMap((tester) => [...tester.sent.values()]);
  expect(sent.length).toBeGreaterThan(minimum);
  expect(rows.map(({ content }) => content).toSorted()).toEqual(sent.toSorted()); // each nonce once, no message lost
  const contents = new Map(rows.map(({ id, content }) => [id, content]));
  for (const tester of members) {
    expect(tester.faults).toEqual([]);
    expect(tester.history).toEqual(ids); // all messages, once, in order
    for (const { seen, pushed } of tester.connections) {
      for (const [id, content] of seen) expect(contents.get(id)).toBe(content);
      const fromOthers = (list: number[]): number[] => list.filter((id) => !tester.isOwn(contents.get(id)!));
      const got = fromOthers(pushed); // the tester's own messages are answered again when they are sent again
      const between = ids.filter((id) => id >= got[0]! && id <= got.at(-1)!);
      expect(got).toEqual(fromOthers(between)); // a connection misses nothing while it is open
    }
  }
}
