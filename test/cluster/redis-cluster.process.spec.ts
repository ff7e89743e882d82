import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisClusterDriver } from '../../src/bus/drivers/redis-cluster-driver.js';
import { startRedisCluster } from '../support/servers/redis-cluster.js';
import { hasRedis } from '../support/servers/redis-server.js';

const HEALING_MS = 5_000;

describe.skipIf(!hasRedis)('a node that only receives, with a Redis Cluster', { timeout: 30_000 }, () => {
  let redis: Awaited<ReturnType<typeof startRedisCluster>>;
  let publisher: RedisClusterDriver;
  let subscriber: RedisClusterDriver;
  const received = new Map<string, Set<number>>();
  let round = 0;

  beforeAll(async () => {
    redis = await startRedisCluster();
    const secretKey = randomBytes(32).toString('hex');
    [publisher, subscriber] = [
      new RedisClusterDriver([redis.url.split(',')[0]!], secretKey),
      new RedisClusterDriver(redis.url.split(','), secretKey),
    ];
    const receiver = { onFrame: () => undefined, onConnected: () => undefined, onDisconnected: () => undefined };
    publisher.start(receiver);
    subscriber.start({ ...receiver, onFrame: ({ header, partition }) => void received.get(header)?.add(partition) });
  }, 60_000);
  afterAll(async () => {
    await Promise.all([publisher.stop(), subscriber.stop()]);
    await redis.remove();
  });

  /** The number of partitions whose frames arrive. */
  const countReceived = async (): Promise<number> => {
    const header = `round ${++round}`;
    received.set(header, new Set());
    publisher.publish(
      Array.from({ length: publisher.partitions }, (_, partition) => ({ partition, header, body: null })),
    );
    await expect
      .poll(() => received.get(header)!.size, { timeout: 200 })
      .toBe(publisher.partitions)
      .catch(() => undefined);
    return received.get(header)!.size;
  };
  const expectAll = () => expect.poll(countReceived, { timeout: HEALING_MS }).toBe(publisher.partitions);

  it('gets the frames of all partitions from all shards', async () => {
    await expectAll();
    expect(subscriber.heartbeatPartitions).toHaveLength(3);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['channels moved to another shard', () => redis.moveChannels(0, 1)],
    [
      'connections with subscriptions were closed',
      () => Promise.all(redis.clients.map((client) => client.client('KILL', 'TYPE', 'pubsub'))),
    ],
    [
      'all connections were closed',
      () => Promise.all(redis.clients.map((client) => client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))),
    ],
    ['a replica took the place of a lost server', () => redis.kill(2)],
    ['channels moved back', () => redis.moveChannels(1, 0)],
  ])('gets them all again after %s', async (_, fault) => {
    await fault();
    await expectAll();
  });
});
