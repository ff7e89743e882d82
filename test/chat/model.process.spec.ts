import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, it } from 'vitest';
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { connect, createConversation, type Frame } from '../support/clients/chat-client.js';
import {
  ChatTester,
  checkHistory,
  type Credentials,
  randomOf,
  type StoredRow,
} from '../support/clients/chat-tester.js';
import { dataFolder, isAlive, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';

/** Every fault occurs at least once, in whatever time that takes. */
const SECONDS = 30;
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const PASSWORD = 'cloudy harbour seven';

const random = randomOf(SEED);
const folder = dataFolder();
let machi: MachiProcess;
/** Rejects when Machi exits unexpectedly. */
let ended: Promise<void>;

beforeEach(start);
afterEach(async () => {
  await machi.kill('SIGTERM');
  folder.remove();
});

async function start(): Promise<void> {
  machi = await whenServing(launch({ DATA_DIR: folder.path, NODE_ENV: 'test', RATE_LIMITS: 'off' }));
  const { output } = machi;
  ended = machi.ended.then((code) => {
    if (code !== null) throw new Error(`Machi ended with ${code}:\n${output()}`); // null: killed by the test
    return new Promise(() => undefined);
  });
  ended.catch(() => undefined);
}

/** The main process of PostgreSQL, once it runs; after a fault it may still be starting. */
async function postmaster(): Promise<number> {
  for (;;) {
    try {
      const pid = folder.postmaster();
      if (isAlive(pid)) return pid;
    } catch {
      // its pid file does not exist yet
    }
    await sleep(50);
  }
}

/** All processes of PostgreSQL. */
async function postgres(): Promise<number[]> {
  const pid = await postmaster();
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
}

async function stopped(processes: number[], ms: number): Promise<void> {
  for (const pid of processes) process.kill(pid, 'SIGSTOP');
  await sleep(ms);
  for (const pid of processes) process.kill(pid, 'SIGCONT');
}

const FAULTS: Record<string, () => Promise<unknown>> = {
  'kill -9 of Machi': () => machi.kill('SIGKILL').then(start),
  'crash of PostgreSQL': async () => process.kill(await postmaster(), 'SIGKILL'),
  'restart of PostgreSQL': async () => process.kill(await postmaster(), 'SIGINT'), // "fast"
  'freeze of PostgreSQL': async () => stopped(await postgres(), 500 + random() * 2500),
  'freeze of Machi': () => stopped([machi.child.pid!], 500 + random() * 1500),
};

async function post(path: string, body: object): Promise<Frame> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(machi.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Frame;
}

async function register(username: string): Promise<Credentials> {
  await post('/api/users', { username, password: PASSWORD, fullname: username });
  const { identity_token } = await post('/api/sessions', { login: username, password: PASSWORD });
  return { username, token: identity_token };
}

/** Repeats a request until it is answered by one of these statuses; in between, Machi or PostgreSQL may be down. */
async function persist(method: string, path: string, { token }: Credentials, statuses: number[]): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  for (;;) {
    const response = await fetch(machi.url + path, { method, headers }).catch(() => undefined);
    if (response && statuses.includes(response.status)) return;
    await sleep(100);
  }
}

/** Blocks and unblocks a member for another one: changes the members of the conversations while messages are sent. */
async function changeBlocks(by: Credentials, other: Credentials): Promise<void> {
  await persist('PUT', `/api/chat/blocks/${other.username}`, by, [204]);
  await persist('DELETE', `/api/chat/blocks/${other.username}`, by, [204, 404]); // 404: it was answered to a lost request
}

/** The stored messages of a conversation in their order. */
async function stored(conversationId: number): Promise<StoredRow[]> {
  const server = new EmbeddedPostgres(folder.path, { warn() {} });
  await server.start();
  const client = new Client(server.connection);
  await client.connect();
  const { rows } = await client.query<{ id: string; sequence: string; content: string }>(
    'select id, sequence, content from messages where conversation_id = $1 order by sequence',
    [conversationId],
  );
  await client.end();
  await server.stop();
  return rows.map(({ id, sequence, content }) => ({ id: Number(id), sequence: Number(sequence), content }));
}

const shuffled = <T>(list: T[]): T[] =>
  list
    .map((item) => [random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);

it(
  `acknowledged messages are stored once and in one order for all clients, whatever fails (SEED=${SEED})`,
  { timeout: 240_000 },
  async () => {
    process.stdout.write(`chat model: SEED=${SEED}\n`);
    const users = [];
    for (let i = 0; i < 8; i++) users.push(await register(`tester${i}`));
    const watchers = [await register('watcher0'), await register('watcher1')] as const;
    const testers: ChatTester[] = [];
    const rooms = new Map<number, ChatTester[]>();
    for (const half of [users.slice(0, 4), users.slice(4)]) {
      const clients = await Promise.all([...half, ...watchers].map((user) => connect(machi, user)));
      const id = await createConversation(...clients);
      await Promise.all(clients.map((client) => client.close()));
      const members = half.map((user, i) => new ChatTester(user, id, () => machi, randomOf(SEED + 8 * id + i)));
      rooms.set(id, members);
      testers.push(...members);
    }
    const runs = Promise.all(testers.map((tester) => tester.run()));
    const until = performance.now() + SECONDS * 1000;
    while (performance.now() < until) {
      for (const name of shuffled(Object.keys(FAULTS))) {
        await sleep(1_000 + random() * 1_500);
        const changed = changeBlocks(...watchers);
        await Promise.race([FAULTS[name]!(), ended]);
        await Promise.race([changed, ended]);
      }
    }
    for (const id of rooms.keys()) await persist('DELETE', `/api/chat/conversations/${id}`, watchers[0], [204, 404]);
    for (const tester of testers) tester.stop();
    await Promise.race([runs, ended]);
    for (const [id, members] of rooms) checkHistory(await stored(id), members, SECONDS * 20);
  },
);
