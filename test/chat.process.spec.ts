import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChatClient, connect, conversation, dial, type Frame } from './chat-client.js';
import { dataFolder, launch, type MachiProcess, whenServing } from './machi.js';

let folder: ReturnType<typeof dataFolder>;
const running: MachiProcess[] = [];
beforeEach(() => {
  folder = dataFolder();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
  folder.remove();
});

const PASSWORD = 'cloudy harbour seven';

function start(env: Record<string, string> = {}): Promise<MachiProcess> {
  const machi = launch({ DATA_DIR: folder.path, NODE_ENV: 'test', RATE_LIMITS: 'off', ...env });
  running.push(machi);
  return whenServing(machi);
}

interface Person {
  username: string;
  token: string;
}

async function post(machi: MachiProcess, path: string, body: object): Promise<Frame> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(machi.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Frame;
}

/** Registered and signed in; their tokens outlive a restart. */
async function register(machi: MachiProcess, username: string): Promise<Person> {
  await post(machi, '/api/users', { username, password: PASSWORD, fullname: username });
  const { identity_token } = await post(machi, '/api/sessions', { login: username, password: PASSWORD });
  return { username, token: identity_token as string };
}

const message = (conversation_id: number, content: string, nonce?: string) => ({
  type: 'send_message',
  conversation_id,
  content,
  ...(nonce === undefined ? {} : { nonce }),
});

it('after kill -9 nobody stays online, and last_online is right', { timeout: 120_000 }, async () => {
  const first = await start();
  const [hana, ren] = [await register(first, 'hana'), await register(first, 'ren')];
  const client = await connect(first, hana);
  await (await connect(first, ren)).get('add_contact', { contact_username: 'hana' });
  const killed = Date.now() / 1000;
  await first.kill('SIGKILL');
  await client.end();
  const second = await start();
  const looker = await connect(second, await register(second, 'mei'));
  const { contact } = await looker.get('add_contact', { contact_username: 'hana' });
  expect(contact.is_online).toBe(false);
  expect(Math.abs(contact.last_online - killed)).toBeLessThan(7);
  expect((await looker.get('add_contact', { contact_username: 'ren' }))['contact'].is_online).toBe(false);
});

describe('SIGTERM', () => {
  it('answers what has been received, then sends everybody away with 1012', { timeout: 120_000 }, async () => {
    const machi = await start();
    const people = await Promise.all(['hana', 'ren', 'mei'].map((name) => register(machi, name)));
    const clients = await Promise.all(people.map((person) => connect(machi, person)));
    const id = await conversation(...clients);
    const idle = await Promise.all(Array.from({ length: 60 }, () => connect(machi, people[0]!)));
    for (let i = 0; i < 50; i++) clients[0]!.send(message(id, `m${i}`));
    await clients[1]!.next();
    const ended = machi.kill('SIGTERM');
    for (const client of [...clients, ...idle]) expect(await client.end()).toEqual([1012, 'restarting']);
    expect(await ended).toBe(0);
    const again = await start();
    const reader = await connect(again, people[1]!);
    const { messages } = await reader.get('get_messages', { conversation_id: id });
    const kept = new Set((messages as Frame[]).map((row) => row['id'] as number));
    const acknowledged = clients[0]!.frames.flatMap(({ type, data }) =>
      type === 'send_message' ? [data.id as number] : [],
    );
    expect(acknowledged.every((one) => kept.has(one))).toBe(true);
    expect(clients[1]!.frames.filter(({ type }) => type === 'send_message').length).toBe(kept.size);
  });
});

/** One who sends, notes what comes, is cut now and then, and catches up by `get_messages`. */
class Tester {
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  /** Every message seen, by id; and how often it came as a frame. */
  readonly seen = new Map<number, string>();
  readonly pushed: number[][] = [];
  client: ChatClient | undefined;
  private counter = 0;
  private isDone = false;

  constructor(
    readonly person: Person,
    readonly conversationId: number,
    private readonly machi: () => MachiProcess,
    private readonly random: () => number,
  ) {}

  /** Until `stop`, and until everything sent has been acknowledged. */
  async run(): Promise<void> {
    while (!this.isDone || this.acknowledged.size < this.sent.size) {
      try {
        await this.visit();
      } catch {
        await sleep(50); // it is away
      }
    }
  }

  stop(): void {
    this.isDone = true;
  }

  /** One connection, for a while. */
  private async visit(): Promise<void> {
    const client = (this.client = dial(this.machi(), this.person));
    const pushed: number[] = [];
    this.pushed.push(pushed);
    let taken = 0;
    const note = (): void => {
      for (; taken < client.frames.length; taken++) {
        const { success, type, data } = client.frames[taken]!;
        if (type !== 'send_message' || !success) continue;
        if (data.conversation_id !== this.conversationId) throw new Error('a frame of another conversation');
        pushed.push(data.id as number);
        this.learn(data as Frame);
      }
    };
    await once(client.socket, 'open');
    const until = performance.now() + 300 + this.random() * 1500;
    for (const [nonce, content] of this.sent) {
      if (!this.acknowledged.has(nonce)) client.send(message(this.conversationId, content, nonce)); // again
    }
    while (!client.closed && performance.now() < until) {
      note();
      if (!this.isDone && client.socket.readyState === client.socket.OPEN) {
        const nonce = `${this.person.username}-${this.counter++}`;
        this.sent.set(nonce, `said ${nonce}`);
        client.send(message(this.conversationId, `said ${nonce}`, nonce));
      }
      await sleep(3 + this.random() * 20);
    }
    client.socket.terminate();
    await client.end();
    note();
  }

  learn({ id, content }: Frame): void {
    this.seen.set(id as number, content as string);
    const nonce = String(content).slice('said '.length);
    if (this.sent.has(nonce)) this.acknowledged.add(nonce);
  }

  /** All that the conversation holds, as this one may read it; newest first in pages of a hundred. */
  async catchUp(machi: MachiProcess): Promise<Frame[]> {
    const client = await connect(machi, this.person);
    const all: Frame[] = [];
    for (let before: number | undefined; ; before = all.at(-1)!['id'] as number) {
      const fields = { conversation_id: this.conversationId, ...(before === undefined ? {} : { before }) };
      const { messages } = await client.get('get_messages', fields);
      if (messages.length === 0) break;
      all.push(...(messages as Frame[]));
    }
    await client.close();
    return all.toReversed();
  }
}

/** mulberry32: the same seed, the same run of decisions. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

it(
  'under kill -9 and cuts nothing acknowledged is lost, nothing is doubled, all see one order',
  { timeout: 120_000 },
  async () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = randomOf(seed);
    process.stdout.write(`chat model: SEED=${seed}\n`);
    let machi = await start();
    const people = [];
    for (let i = 0; i < 8; i++) people.push(await register(machi, `tester${i}`));
    const rooms: number[] = [];
    for (const half of [people.slice(0, 4), people.slice(4)]) {
      const clients = await Promise.all(half.map((person) => connect(machi, person)));
      rooms.push(await conversation(...clients));
      await Promise.all(clients.map((client) => client.close()));
    }
    const testers = people.map((person, i) => new Tester(person, rooms[i >> 2]!, () => machi, randomOf(seed + i)));
    const runs = testers.map((tester) => tester.run());
    for (let i = 0; i < 3; i++) {
      await sleep(1_500 + random() * 1_500);
      await machi.kill('SIGKILL');
      machi = await start();
    }
    const postmaster = folder.postmaster();
    await sleep(500);
    process.kill(postmaster, 'SIGSTOP'); // its children go on; new connections wait
    await sleep(1_000);
    process.kill(postmaster, 'SIGCONT');
    await sleep(1_000);
    for (const tester of testers) tester.stop();
    await Promise.all(runs);
    for (const [r, room] of rooms.entries()) {
      const members = testers.slice(r * 4, r * 4 + 4);
      const [kept, ...others] = await Promise.all(members.map((tester) => tester.catchUp(machi)));
      for (const other of others) expect(other).toEqual(kept);
      const ids = kept!.map(({ id }) => id as number);
      expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
      const contents = kept!.map(({ content }) => content as string).toSorted(); // prettier-ignore
      expect(contents).toEqual(members.flatMap(({ sent }) => [...sent.values()]).toSorted()); // each nonce once, none lost
      const byId = new Map(kept!.map(({ id, content }) => [id as number, content as string]));
      for (const { seen, pushed, person } of members) {
        for (const [id, content] of seen) expect(byId.get(id)).toBe(content);
        const foreign = (id: number): boolean => !byId.get(id)!.startsWith(`said ${person.username}-`);
        for (const connection of pushed) {
          const fromOthers = connection.filter(foreign); // one's own come again when they are sent again
          expect(fromOthers).toEqual([...new Set(fromOthers)].toSorted((a, b) => a - b));
        }
      }
      expect(room).toBeGreaterThan(0);
    }
  },
);
