import { setTimeout as sleep } from 'node:timers/promises';
import { type ChatClient, dial, type Frame } from './chat-client.js';
import type { MachiProcess } from './machi-process.js';

const PAGE = 100;

export interface Person {
  username: string;
  token: string;
}

/** What one connection has shown. */
class Visit {
  /** Ids of messages as they were pushed, what is one's own and comes again included. */
  readonly pushed: number[] = [];
  /** Every message seen on it, pushed or fetched. */
  readonly seen = new Map<number, string>();
  /** All that was said since the last visit has been fetched. */
  isComplete = false;
}

/**
 * A client as `docs/chat.md` wants it: it gives each message a nonce, sends again what was not answered, and reads back
 * to where it was after each cut. It notes all that it saw.
 */
export class ChatTester {
  /** Contents by nonce. */
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  /** The conversation as this client knows it: ids in the order in which it took them. */
  readonly history: number[] = [];
  readonly visits: Visit[] = [];
  /** What no client may ever see. */
  readonly faults: string[] = [];
  private counter = 0;
  private isDone = false;

  constructor(
    readonly person: Person,
    private readonly conversation_id: number,
    private readonly machi: () => MachiProcess,
    private readonly random: () => number,
  ) {}

  /** Connects, and is cut, over and over until `stop`; then until everything is acknowledged and known. */
  async run(): Promise<void> {
    while (!this.isDone || this.acknowledged.size < this.sent.size) await this.visit();
    while (!(await this.visit())) continue;
  }

  stop(): void {
    this.isDone = true;
  }

  isOwn(content: string): boolean {
    return content.startsWith(`said ${this.person.username}-`);
  }

  /** One connection, for a while. False when it could not take all that it had missed. */
  private async visit(): Promise<boolean> {
    const visit = new Visit();
    this.visits.push(visit);
    const client = dial(this.machi(), this.person);
    const until = performance.now() + 300 + this.random() * 1500;
    let taken = 0;
    let isGreeted = false;
    while (!client.closed && performance.now() < until) {
      for (; taken < client.frames.length; taken++) this.take(client, visit, client.frames[taken]!);
      if (client.socket.readyState === client.socket.OPEN) {
        if (!isGreeted) this.greet(client);
        else if (!this.isDone) this.say(client);
        isGreeted = true;
      }
      await sleep(3 + this.random() * 20);
    }
    client.socket.terminate();
    await client.end();
    for (; taken < client.frames.length; taken++) this.take(client, visit, client.frames[taken]!);
    if (visit.isComplete) this.remember(visit);
    return visit.isComplete;
  }

  private greet(client: ChatClient): void {
    this.fetch(client);
    for (const [nonce, content] of this.sent) {
      if (!this.acknowledged.has(nonce)) this.send(client, nonce, content); // again
    }
  }

  private say(client: ChatClient): void {
    const nonce = `${this.person.username}-${this.counter++}`;
    this.sent.set(nonce, `said ${nonce}`);
    this.send(client, nonce, `said ${nonce}`);
  }

  private send(client: ChatClient, nonce: string, content: string): void {
    client.send({ type: 'send_message', conversation_id: this.conversation_id, content, nonce });
  }

  private fetch(client: ChatClient, before?: number): void {
    if (client.socket.readyState !== client.socket.OPEN) return;
    client.send({ type: 'get_messages', conversation_id: this.conversation_id, before });
  }

  private take(client: ChatClient, visit: Visit, { success, type, data, error }: Frame): void {
    if (!success) {
      if (!/database/i.test(error as string)) this.faults.push(error as string);
      if (type === 'get_messages') client.socket.terminate(); // to be asked again
    } else if (data.conversation_id !== this.conversation_id) {
      this.faults.push(`a frame of conversation ${data.conversation_id}`);
    } else if (type === 'send_message') {
      visit.pushed.push(data.id as number);
      this.learn(visit, data as Frame);
    } else {
      const messages = data.messages as Frame[];
      for (const message of messages) this.learn(visit, message);
      const oldest = (messages.at(-1)?.['id'] ?? 0) as number;
      if (messages.length < PAGE || oldest <= this.last) visit.isComplete = true;
      else this.fetch(client, oldest);
    }
  }

  private get last(): number {
    return this.history.at(-1) ?? 0;
  }

  private learn(visit: Visit, { id, content }: Frame): void {
    visit.seen.set(id as number, content as string);
    if (this.isOwn(content as string)) this.acknowledged.add((content as string).slice('said '.length));
  }

  private remember({ seen }: Visit): void {
    const { last } = this;
    this.history.push(...[...seen.keys()].filter((id) => id > last).toSorted((a, b) => a - b));
  }
}

/** mulberry32: the same seed, the same run of decisions. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
