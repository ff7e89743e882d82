import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/common/version.js';
import { startApp, type TestApp } from '../support/app.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  const route = async (connection: Parameters<typeof startProxy>[0]) =>
    (proxy = await startProxy(connection)).connection;
  t = await startApp({ route, pool: { statementTimeout: 500 } });
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

const get = (path: string) => t.request('GET', path);
const checks = {
  process: 'ok',
  database: 'ok',
  migrations: 'ok',
  notifications: 'ok',
  bus: 'off',
  storage: 'ok',
  mail: 'ok',
};

it('GET /api/misc/ping answers pong', async () => {
  const { status, text, headers } = await get('/api/misc/ping');
  expect([status, text, headers.get('content-type')]).toEqual([200, 'pong', 'text/plain; charset=utf-8']);
});

it('the three health routes answer ok', async () => {
  expect((await get('/api/health/live')).body).toEqual({ status: 'ok' });
  expect((await get('/api/health/ready')).body).toEqual({ status: 'ok', checks });
  expect((await get('/api/health')).body).toEqual({ status: 'ok', version: VERSION, checks });
});

describe.each(['cut', 'freeze'] as const)('with the database %s', (fault) => {
  it('GET /api/health/live answers 200, the other health routes 503, until the database is back', async () => {
    const token = await t.asAdmin();
    proxy[fault]();
    const start = Date.now();
    const down = { process: 'ok', database: 'unavailable', migrations: 'unknown' };
    for (const path of ['/api/health/ready', '/api/health']) {
      const answer = await get(path);
      expect(answer.body).toMatchObject({ status: 503, code: 'not_ready', checks: down });
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    }
    expect(Date.now() - start).toBeLessThan(3000);
    expect((await get('/api/health/live')).status).toBe(200);
    const refused = await t.request('GET', '/api/users/me', { token });
    expect(refused.body).toMatchObject({ status: 503, code: 'database_unavailable' });
    expect(refused.headers.get('retry-after')).toBe('2');
    proxy.restore();
    await expect.poll(async () => (await get('/api/health/ready')).status, { timeout: 10_000 }).toBe(200);
    expect((await t.request('GET', '/api/users/me', { token })).status).toBe(200);
  });
});

it('GET /api/health/ready answers 503 while a migration is missing', async () => {
  await t.dataSource.query(`update migrations set name = name || '_'`);
  const linesBefore = t.logLines.length;
  expect((await get('/api/health/ready')).body['checks']).toEqual({ ...checks, migrations: 'pending' });
  const lines = t.logLines.slice(linesBefore).map((line) => JSON.parse(line) as Record<string, unknown>);
  const warnings = lines.filter(({ level }) => Number(level) > 30);
  expect(warnings.map(({ level, msg, err }) => [level, msg, err])).toEqual([
    [40, expect.stringMatching(/^not_ready: .*"migrations":"pending"/), undefined],
  ]);
  await t.dataSource.query(`update migrations set name = rtrim(name, '_')`);
  expect((await get('/api/health/ready')).status).toBe(200);
});

it('GET /api/health/client answers with the address of the caller, and ignores X-Forwarded-For of unknown proxies', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.77' };
  expect((await get('/api/health/client')).body).toEqual({ address: '127.0.0.1', forwarded: 'none' });
  const { body } = await t.request('GET', '/api/health/client', { headers });
  expect(body).toEqual({ address: '127.0.0.1', forwarded: 'ignored' });
});
