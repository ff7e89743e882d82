import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';

const busOf = async (t: TestApp) => {
  const { status, body } = await t.request('GET', '/api/health/ready');
  return [status, body.checks.bus];
};
const newKey = () => randomBytes(32).toString('hex');

it.runIf(hasRedis)(
  'nodes report a degraded bus while another node on the database has another SECRET_KEY',
  async () => {
    const redis = await startRedis();
    const env = { BUS: 'redis', REDIS_URL: redis.url, SECRET_KEY: newKey() };
    const first = await startApp({ env });
    const same = await startApp({ env, database: first.connection });
    await expect.poll(() => busOf(same)).toEqual([200, 'ok']);
    const other = await startApp({ env: { ...env, SECRET_KEY: newKey() }, database: first.connection });
    expect(await busOf(other)).toEqual([200, 'degraded']);
    for (const node of [first, same])
      await expect.poll(() => busOf(node), { timeout: 8_000 }).toEqual([200, 'degraded']);
    await other.stop();
    await expect.poll(() => busOf(first), { timeout: 8_000 }).toEqual([200, 'ok']);
    await same.stop();
    await first.stop();
    await redis.remove();
  },
);

it('nodes that use the same bus of PostgreSQL reach each other with different keys', async () => {
  const env = { BUS: 'postgres', SECRET_KEY: newKey() };
  const first = await startApp({ env });
  const second = await startApp({ env: { ...env, SECRET_KEY: newKey() }, database: first.connection });
  expect([await busOf(first), await busOf(second)]).toEqual([
    [200, 'ok'],
    [200, 'ok'],
  ]);
  await second.stop();
  await first.stop();
});
