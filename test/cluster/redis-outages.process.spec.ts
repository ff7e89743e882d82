import { afterEach, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { startCluster } from '../support/servers/cluster.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
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

it.skipIf(!hasRedis)(
  'the log tells that Redis refuses the password when it was changed while a node runs',
  async () => {
    const redis = await startRedis();
    ends.push(() => redis.remove());
    const cluster = await startCluster(1, { BUS: 'redis', REDIS_URL: redis.url });
    ends.push(() => cluster.stop());
    await expect.poll(() => cluster.busState(0)).toBe('ok');
    await redis.client.config('SET', 'requirepass', 'a new password');
    for (const type of ['pubsub', 'normal']) await redis.client.client('KILL', 'TYPE', type, 'SKIPME', 'yes');
    await expect.poll(() => cluster.nodes[0]!.output()).toMatch(/The bus is not reached \(.*NOAUTH/);
    expect(await cluster.busState(0)).toBe('degraded');
    await redis.client.config('SET', 'requirepass', '');
    await expect.poll(() => cluster.busState(0)).toBe('ok');
  },
);
