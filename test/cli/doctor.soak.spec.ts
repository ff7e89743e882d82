import { once } from 'node:events';
import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Config } from '../../src/config/config.js';
import { examineDatabase } from '../../src/cli/doctor/database-checks.js';
import { examineMail } from '../../src/cli/doctor/mail-checks.js';
import { examineProxy } from '../../src/cli/doctor/proxy-checks.js';
import { startApp, type TestApp } from '../support/app.js';
import { startSmtp } from '../support/servers/smtp-server.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { TRUST_PROXY: '127.0.0.1' } });
});
afterAll(() => t.stop());

/** The settings of the application with others. */
const settings = (changes: Partial<Config>): Config => Object.assign(new Config(), t.config, changes);

const faultsOf = (checks: { status: string; detail: string }[]): string[] =>
  checks.filter(({ status }) => status !== 'ok').map(({ status, detail }) => `${status}: ${detail}`);

describe('examineProxy', () => {
  let proxy: Server;
  let other: TestApp;
  let target: TestApp;
  let forwarded: string | undefined;
  beforeAll(async () => {
    other = await startApp({ database: t.connection });
    // Replaces the header, as a good proxy does, and passes no upgrades.
    proxy = createServer((incoming, outgoing) => {
      const headers = { ...incoming.headers, ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }) };
      const options = { port: target.port, path: incoming.url, method: incoming.method, headers };
      forward(options, (answer) => answer.pipe(outgoing.writeHead(answer.statusCode!, answer.headers))).end();
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterAll(async () => {
    proxy.close();
    await other.stop();
  });

  const examine = async (app: TestApp, header: string | undefined) => {
    [target, forwarded] = [app, header];
    const { port } = proxy.address() as AddressInfo;
    return faultsOf(await examineProxy(settings({ PUBLIC_URL: `http://127.0.0.1:${port}` })));
  };
  const upgrades = expect.stringMatching(/^error: WebSocket connections do not pass/);

  it('accepts a trusted proxy that replaces the header, and finds that it passes no upgrades', async () => {
    expect(await examine(t, '198.51.100.7')).toEqual([upgrades]);
  });

  it('finds a trusted proxy that passes the header of clients on', async () => {
    expect(await examine(t, undefined)).toEqual([
      'error: clients can forge their address by X-Forwarded-For',
      upgrades,
    ]);
  });

  it('finds a proxy that is not trusted', async () => {
    const shared = 'error: all clients share the address of the proxy, and its rate limits';
    expect(await examine(other, '198.51.100.7')).toEqual([shared, upgrades]);
  });

  it('finds nothing wrong without a proxy', async () => {
    expect(faultsOf(await examineProxy(settings({ PUBLIC_URL: other.url })))).toEqual([]);
  });
});

describe('examineDatabase', () => {
  const examine = async (changes: Partial<Config> = {}) =>
    faultsOf(await examineDatabase(settings(changes), { connection: t.connection, direct: undefined }));

  it('finds nothing wrong with a migrated database', async () => {
    expect(await examine()).toEqual([]);
  });

  it('names all extensions that migrations create', async () => {
    const rows = await t.dataSource.query<{ name: string }[]>(
      `select extname::text as name from pg_extension where extname <> 'plpgsql' order by extname`,
    );
    const checks = await examineDatabase(settings({}), { connection: t.connection, direct: undefined });
    const { detail } = checks.find(({ name }) => name === 'database extensions')!;
    expect(detail).toBe(rows.map(({ name }) => name).join(', '));
  });

  it('finds pending and unknown migrations, too few connections, and national ids of a key that is not configured', async () => {
    const { dataSource } = t;
    const user = await t.user();
    await dataSource.query(`update users set encrypted_nid = '\\x0102030405' where id = $1`, [user.id]);
    expect(await examine({ DB_POOL_SIZE: 500 })).toEqual([
      expect.stringMatching(/^warning: \d+ connections; one server needs up to 504$/),
      'error: 1 are encrypted with a key that is not configured',
    ]);
    await dataSource.query(`update migrations set name = name || '_' where name like 'Init%'`);
    const count = dataSource.migrations.length;
    expect(await examine()).toEqual([`warning: 1 of ${count} are pending`]);
    expect(await examine({ MIGRATE: 'off' })).toEqual([`error: 1 of ${count} are pending`]);
    await dataSource.query(`update migrations set name = rtrim(name, '_')`);
    await dataSource.query(`update users set encrypted_nid = null where id = $1`, [user.id]);
    await dataSource.query(`insert into migrations (timestamp, name) values (1, 'Later1')`);
    expect(await examine()).toEqual(['warning: a newer version has run Later1']);
  });
});

it('examineMail tells a mail server that refuses the sign-in from one that does not listen', async () => {
  const smtp = await startSmtp();
  const check = async () => (await examineMail(settings({ SMTP_URL: smtp.url })))[0]!;
  expect(await check()).toMatchObject({ status: 'ok' });
  smtp.refuse('auth', 535);
  expect(await check()).toMatchObject({ status: 'error', remedy: 'Correct user and password in SMTP_URL.' });
  await smtp.stop();
  expect(await check()).toMatchObject({ status: 'error', detail: expect.stringContaining('ECONNREFUSED') as string });
});
