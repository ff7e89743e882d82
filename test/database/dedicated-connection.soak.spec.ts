import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { ADVISORY_LOCKS } from '../../src/database/advisory-locks.js';
import { startApp, type TestApp } from '../support/app.js';
import { createDatabase } from '../support/setup/database.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

let t: TestApp;
let database: Awaited<ReturnType<typeof createDatabase>>;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let direct: pg.Client;
beforeAll(async () => {
  database = await createDatabase();
  proxy = await startProxy(database.connection);
  t = await startApp({ database: proxy.connection });
  direct = new pg.Client(database.connection);
  await direct.connect();
});
afterAll(async () => {
  proxy.stop();
  await direct.end();
  await database.drop();
});

const nodes = async (): Promise<number[]> => {
  const { rows } = await direct.query<{ id: number }>('select id from chat_nodes order by id');
  return rows.map(({ id }) => id);
};
const locked = async (): Promise<number[]> => {
  const { rows } = await direct.query<{ id: number }>(
    `select objid::int as id from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and l.classid = $1 and l.granted and d.datname = current_database()`,
    [ADVISORY_LOCKS.chatNodes],
  );
  return rows.map(({ id }) => id);
};
const connections = async (): Promise<number> => {
  const { rows } = await direct.query(
    `select from pg_stat_activity where application_name = 'machi dedicated connection' and datname = current_database()`,
  );
  return rows.length;
};

it('the dedicated connection holds LISTEN and the lock of the chat node', async () => {
  expect(await connections()).toBe(1);
  expect(await locked()).toEqual(await nodes());
  expect(await nodes()).toHaveLength(1);
});

it.each(['cut', 'freeze'] as const)(
  'the dedicated connection registers the chat node again after a connection fault (%s)',
  async (fault) => {
    const before = await nodes();
    proxy[fault]();
    proxy.restore();
    await expect.poll(nodes).not.toEqual(before);
    await expect.poll(nodes).toHaveLength(1); // the row of the lost connection is removed
    expect(await nodes()).not.toEqual(before);
    expect(await locked()).toEqual(await nodes());
    expect(await connections()).toBe(1);
  },
);

it('the dedicated connection reconnects after it was dropped without an error', async () => {
  const before = await nodes();
  proxy.freeze();
  await expect.poll(connections).toBe(0); // a heartbeat was not answered in time
  proxy.restore();
  await expect.poll(nodes).not.toEqual(before);
  await expect.poll(nodes).toHaveLength(1);
  expect(await locked()).toEqual(await nodes());
});

it('the dedicated connection removes the chat node and closes at shutdown', async () => {
  const [own] = await locked();
  await t.stop();
  expect(await nodes()).not.toContain(own);
  await expect.poll(connections).toBe(0);
});
