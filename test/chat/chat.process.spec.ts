import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, createConversation, type Frame } from '../support/clients/chat-client.js';
import type { Credentials } from '../support/clients/chat-tester.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';

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

async function post(machi: MachiProcess, path: string, body: object): Promise<Frame> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(machi.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Frame;
}

/** Registers a user and signs in. The token is valid after a restart. */
async function register(machi: MachiProcess, username: string): Promise<Credentials> {
  await post(machi, '/api/users', { username, password: PASSWORD, fullname: username });
  const { identity_token } = await post(machi, '/api/sessions', { login: username, password: PASSWORD });
  return { username, token: identity_token };
}

const message = (conversation_id: number, content: string, nonce?: string) => ({
  type: 'send_message',
  conversation_id,
  content,
  ...(nonce === undefined ? {} : { nonce }),
});

it('after kill -9 of Machi its users are offline, and last_online is at most 7 seconds off', async () => {
  const first = await start();
  const [hana, ren] = [await register(first, 'hana'), await register(first, 'ren')];
  const client = await connect(first, hana);
  await (await connect(first, ren)).get('add_contact', { contact_username: 'hana' });
  const killed = Date.now() / 1000;
  await first.kill('SIGKILL');
  await client.end();
  const second = await start();
  const observer = await connect(second, await register(second, 'mei'));
  const { contact } = await observer.get('add_contact', { contact_username: 'hana' });
  expect(contact.is_online).toBe(false);
  expect(Math.abs(contact.last_online - killed)).toBeLessThan(7);
  expect((await observer.get('add_contact', { contact_username: 'ren' }))['contact'].is_online).toBe(false);
});

describe('SIGTERM', () => {
  it('answers all received frames, then closes all connections with 1012', async () => {
    const machi = await start();
    const users = await Promise.all(['hana', 'ren', 'mei'].map((name) => register(machi, name)));
    const clients = await Promise.all(users.map((user) => connect(machi, user)));
    const id = await createConversation(...clients);
    const idle = await Promise.all(Array.from({ length: 60 }, () => connect(machi, users[0]!)));
    const sending = setInterval(() => {
      for (let i = 0; i < 100; i++) clients[0]!.send(message(id, `m${i}`));
    }, 20);
    await clients[1]!.next();
    const ended = machi.kill('SIGTERM');
    for (const client of [...clients, ...idle]) expect(await client.end()).toEqual([1012, 'restarting']);
    clearInterval(sending);
    expect(await ended).toBe(0);
    const again = await start();
    const reader = await connect(again, users[1]!);
    const storedIds = new Set<number>();
    for (let before: number | undefined; ; before = Math.min(...storedIds)) {
      const { messages } = await reader.get('get_messages', { conversation_id: id, before });
      if (messages.length === 0) break;
      for (const row of messages as Frame[]) storedIds.add(row['id'] as number);
    }
    const acknowledged = clients[0]!.frames.flatMap(({ type, data }) =>
      type === 'send_message' ? [data.id as number] : [],
    );
    expect(acknowledged.every((one) => storedIds.has(one))).toBe(true);
    expect(clients[1]!.frames.filter(({ type }) => type === 'send_message').length).toBe(storedIds.size);
  });
});
