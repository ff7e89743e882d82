import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newKeys, PASSWORD } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { unzip } from '../support/personal-data.js';

const MESSAGES = 60_000;
const MAX_GROWTH_MIB = 120;

const folder = dataFolder();
let database: TestDatabase;
let client: pg.Client;
let env: Record<string, string>;
beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client(database.connection);
  await client.connect();
  env = { DATA_DIR: folder.path, STORAGE_DIR: join(folder.path, 'files'), ...database.env, ...newKeys() };
});
afterAll(async () => {
  await client.end();
  await database.drop();
  folder.remove();
});

async function call(url: string, method: string, path: string, token?: string, body?: object) {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
}

const json = (bytes: Buffer) => JSON.parse(bytes.toString()) as Record<string, string>;

/** The most memory that the process has had so far, in MiB. */
const peakOf = ({ child }: MachiProcess): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024;

/** A user who has sent many messages, and a token. */
async function writer(url: string): Promise<string> {
  const user = { username: 'hana.sato', password: PASSWORD, fullname: 'Hana Sato', email: 'hana@example.org' };
  await call(url, 'POST', '/api/users', undefined, user);
  await client.query(`insert into conversations (name, created_at) values ('Harbour', now())`);
  await client.query(
    `insert into messages (conversation_id, sequence, revision, sender_id, nonce, content, sent_at)
      select c.id, i, i, p.id, gen_random_uuid(), i || repeat(md5(i::text), 30), now()
      from conversations c, participants p join users u on u.id = p.user_id, generate_series(1, $1::integer) i
      where u.username = 'hana.sato'`,
    [MESSAGES],
  );
  const { bytes } = await call(url, 'POST', '/api/sessions', undefined, { login: user.username, password: PASSWORD });
  return json(bytes)['identity_token']!;
}

it('an export of 60 MB is written again by another process after kill -9, with flat memory, and leaves one file', async () => {
  const first = await whenServing(launch(env));
  const token = await writer(first.url);
  const created = await call(first.url, 'POST', '/api/users/me/exports', token, { current_password: PASSWORD });
  expect(created.status).toBe(202);
  for (;;) {
    const { rows } = await client.query<{ done: number }>('select done from data_exports');
    if (rows[0]!.done > 2) break; // the messages are being written
    await sleep(5);
  }
  await first.kill('SIGKILL');
  const { rows } = await client.query<{ state: string }>('select state from data_exports');
  expect(rows).toEqual([{ state: 'pending' }]);

  const second = await whenServing(launch(env));
  const before = peakOf(second);
  let state = 'pending';
  while (state === 'pending') {
    await sleep(50);
    state = json((await call(second.url, 'GET', '/api/users/me/exports/current', token)).bytes)['state']!;
  }
  expect(state).toBe('ready');
  expect(peakOf(second) - before).toBeLessThan(MAX_GROWTH_MIB);
  const file = await call(second.url, 'GET', '/api/users/me/exports/current/file', token);
  const files = await unzip(file.bytes);
  const messages = JSON.parse(files.get('chat/messages.json')!.toString()) as object[];
  expect(messages).toHaveLength(MESSAGES);
  expect(readdirSync(join(env['STORAGE_DIR']!, 'exports'))).toHaveLength(1);
  await second.kill('SIGTERM');
});
