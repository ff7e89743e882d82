import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseEnv } from '../support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { startPostgresServer } from '../support/servers/postgres-server.js';

const ADMIN_PASSWORD = 'quiet lantern forty';

const folder = dataFolder();
let postgres: Awaited<ReturnType<typeof startPostgresServer>>;
let machi: MachiProcess;
let listener: pg.Client;
let sender: pg.Client;
beforeAll(async () => {
  const settings = { max_notify_queue_pages: '64' }; // the smallest; a million elsewhere
  postgres = await startPostgresServer({ access: ['host all all all scram-sha-256'], settings });
  const env = { ...databaseEnv(postgres.connection), BUS: 'postgres', DATA_DIR: folder.path, ADMIN_PASSWORD };
  machi = await whenServing(launch(env));
  [listener, sender] = [new pg.Client(postgres.connection), new pg.Client(postgres.connection)];
  await Promise.all([listener.connect(), sender.connect()]);
});
afterAll(async () => {
  await Promise.all([sender.end(), machi.kill('SIGTERM')]);
  await postgres.stop();
  folder.remove();
});

const call = (method: string, path: string, token?: string, body?: object): Promise<Response> =>
  fetch(machi.url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

async function signIn(): Promise<string> {
  const response = await call('POST', '/api/sessions', undefined, { login: 'admin', password: ADMIN_PASSWORD });
  return ((await response.json()) as { identity_token: string }).identity_token;
}

async function fillQueue(): Promise<void> {
  for (const statement of ['listen other', 'begin', 'select']) await listener.query(statement);
  const notify = `select pg_notify('other', $1)`;
  const fill = async (): Promise<void> => {
    for (;;) await sender.query(notify, [randomBytes(3_900).toString('hex')]);
  };
  await expect(fill()).rejects.toMatchObject({ code: '54000' });
}

it('a full notification queue is reported, and sessions can be revoked again when its listener has gone', async () => {
  const token = await signIn();
  await fillQueue();
  const refused = await call('DELETE', '/api/sessions/current', token);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await refused.json()).toMatchObject({ code: 'database_unavailable' });
  expect((await call('GET', '/api/users/me', token)).status).toBe(200); // nothing was changed
  await expect.poll(machi.output, { timeout: 10_000 }).toMatch(/notification queue of PostgreSQL is \d+ % full/);
  expect(machi.output().match(/Publishing to the bus failed/g)).toHaveLength(1);

  await listener.end();
  const signOut = async (): Promise<number> => (await call('DELETE', '/api/sessions/current', token)).status;
  await expect.poll(signOut, { timeout: 10_000, interval: 200 }).toBe(204);
  expect((await call('GET', '/api/users/me', token)).status).toBe(401);
});
