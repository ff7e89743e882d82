import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { connect } from '../support/clients/chat-client.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { hasPgBouncer, startPgBouncer } from '../support/servers/pgbouncer.js';
import { query, startPostgresServer } from '../support/servers/postgres-server.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

const ADMIN_PASSWORD = 'quiet lantern forty';

type Pooler = Awaited<ReturnType<typeof startPgBouncer>>;

const urlOf = ({ host, port, user, password, database }: DatabaseConnection): string =>
  `postgres://${user}:${password}@${host}:${port}/${database}`;

describe.skipIf(!hasPgBouncer)('behind PgBouncer', () => {
  let postgres: Awaited<ReturnType<typeof startPostgresServer>>;
  let database: DatabaseConnection;
  let folder: ReturnType<typeof dataFolder>;
  const running: MachiProcess[] = [];
  const poolers: Pooler[] = [];
  let count = 0;

  beforeAll(async () => {
    postgres = await startPostgresServer({ access: ['host all all all scram-sha-256'] });
  });
  afterAll(() => postgres.stop());
  beforeEach(async () => {
    folder = dataFolder();
    database = { ...postgres.connection, database: `town${++count}` };
    await query(postgres.connection, `create database ${database.database}`);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
    await Promise.all(poolers.splice(0).map((pooler) => pooler.stop()));
    folder.remove();
  });

  function begin(env: Record<string, string>): MachiProcess {
    const machi = launch({ DATA_DIR: folder.path, ADMIN_PASSWORD, DB_SSLMODE: 'disable', ...env });
    running.push(machi);
    return machi;
  }

  async function pool(mode: 'session' | 'transaction'): Promise<Pooler> {
    const pooler = await startPgBouncer(database, mode);
    poolers.push(pooler);
    return pooler;
  }

  async function signIn({ url }: MachiProcess): Promise<{ identity_token: string; id: string }> {
    const response = await fetch(`${url}/api/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login: 'admin', password: ADMIN_PASSWORD }),
    });
    expect(response.status).toBe(201);
    return (await response.json()) as { identity_token: string; id: string };
  }

  const call = (machi: MachiProcess, path: string, token: string, method = 'GET'): Promise<number> =>
    fetch(`${machi.url}/api${path}`, { method, headers: { authorization: `Bearer ${token}` } }).then(
      ({ status }) => status,
      () => 0,
    );

  const readiness = async ({ url }: MachiProcess): Promise<unknown> =>
    ((await (await fetch(`${url}/api/health/ready`)).json()) as { checks: unknown }).checks;

  /** Many requests at once, more than the pooler has connections: every statement meets other server processes. */
  async function statuses(machi: MachiProcess, token: string): Promise<Set<number>> {
    const paths = ['/users/me', '/users', '/groups', '/sessions', '/users/me/avatar'];
    const calls = Array.from({ length: 200 }, (_, i) => call(machi, paths[i % paths.length]!, token));
    return new Set(await Promise.all(calls));
  }

  async function expectSignOutToClose(machi: MachiProcess): Promise<void> {
    const { identity_token: token } = await signIn(machi);
    const client = await connect(machi, { token, username: 'admin' });
    expect(await call(machi, '/sessions/current', token, 'DELETE')).toBe(204);
    expect((await client.end())[0]).toBe(4401);
  }

  it('in transaction mode, without DATABASE_DIRECT_URL, the start ends with 78 and one sentence', async () => {
    const machi = begin({ DATABASE_URL: (await pool('transaction')).url });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toMatch(/pooler in transaction mode.*set DATABASE_DIRECT_URL/);
  });

  it('in transaction mode, with DATABASE_DIRECT_URL, requests succeed and a sign-out closes the WebSocket', async () => {
    const { url } = await pool('transaction');
    const machi = await whenServing(begin({ DATABASE_URL: url, DATABASE_DIRECT_URL: urlOf(database) }));
    const { identity_token: token } = await signIn(machi);
    expect(await statuses(machi, token)).toEqual(new Set([200]));
    await expectSignOutToClose(machi);
    const rows = await query<{ name: string }>(database, `select name from pg_prepared_statements`);
    expect(rows).toEqual([]);
  });

  it('in session mode, without further settings, requests succeed and a sign-out closes the WebSocket', async () => {
    const machi = await whenServing(begin({ DATABASE_URL: (await pool('session')).url }));
    const { identity_token: token } = await signIn(machi);
    expect(await statuses(machi, token)).toEqual(new Set([200]));
    await expectSignOutToClose(machi);
  });

  it('a start parameter that PgBouncer refuses ends the start with its name', async () => {
    const machi = begin({ DATABASE_URL: `${(await pool('session')).url}?options=-c%20work_mem%3D5MB` });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toContain('unsupported startup parameter: options');
  });

  it('in transaction mode, settings of the role that would break statements end the start with 78', async () => {
    const { database: name, user } = database;
    await query(postgres.connection, `alter database ${name} set datestyle = 'SQL, DMY'`);
    await query(postgres.connection, `alter database ${name} set standard_conforming_strings = off`);
    const machi = begin({ DATABASE_URL: (await pool('transaction')).url, DATABASE_DIRECT_URL: urlOf(database) });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toContain(`alter role ${user} set datestyle = 'ISO'`);
    expect(machi.output()).toContain(`alter role ${user} set standard_conforming_strings = 'on'`);
  });

  it.each([
    ['another database', /another database/, () => Promise.resolve(urlOf(postgres.connection))],
    ['the pooler', /DATABASE_DIRECT_URL leads to a pooler/, () => Promise.resolve(poolers[0]!.url)],
  ])('a DATABASE_DIRECT_URL that leads to %s ends the start with 78', async (_, sentence, direct) => {
    const { url } = await pool('transaction');
    const machi = begin({ DATABASE_URL: url, DATABASE_DIRECT_URL: await direct() });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toMatch(sentence);
  });

  it('a restart of the pooler is survived', async () => {
    const pooler = await pool('transaction');
    const machi = await whenServing(begin({ DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: urlOf(database) }));
    const { identity_token: token } = await signIn(machi);
    await pooler.restart();
    await expect.poll(() => statuses(machi, token)).toEqual(new Set([200]));
    await expectSignOutToClose(machi);
  });

  it('while the direct connection is lost, readiness is false and sign-outs still close WebSockets', async () => {
    const proxy = await startProxy(database);
    const { url } = await pool('transaction');
    const machi = await whenServing(begin({ DATABASE_URL: url, DATABASE_DIRECT_URL: urlOf(proxy.connection) }));
    proxy.cut();
    await expect.poll(() => readiness(machi)).toMatchObject({ database: 'ok', notifications: 'unavailable' });
    await expectSignOutToClose(machi);
    proxy.restore();
    await expect.poll(() => readiness(machi)).toMatchObject({ database: 'ok', notifications: 'ok' });
    await expectSignOutToClose(machi);
    proxy.stop();
  });
});
