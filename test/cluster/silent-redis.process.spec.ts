import { afterAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

const busOf = async (t: TestApp): Promise<unknown> =>
  ((await t.request('GET', '/api/health/ready')).body as { checks: { bus: unknown } }).checks.bus;

it.skipIf(!hasRedis)('a node whose first commands Redis never answers opens another connection', async () => {
  const redis = await startRedis();
  ends.push(() => redis.remove());
  const proxy = await startProxy({ host: '127.0.0.1', port: redis.port, database: '', user: '', password: '' });
  ends.push(() => proxy.stop());
  proxy.freeze();
  const t = await startApp({ env: { BUS: 'redis', REDIS_URL: `redis://127.0.0.1:${proxy.connection.port}` } });
  ends.push(() => t.stop());
  expect(await busOf(t)).toBe('degraded');
  proxy.thaw();
  await expect.poll(() => busOf(t)).toBe('ok');
});
