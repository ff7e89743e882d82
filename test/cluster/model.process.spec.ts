import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { connect, createConversation } from '../support/clients/chat-client.js';
import { ChatTester, checkHistory, randomOf, type StoredRow } from '../support/clients/chat-tester.js';
import { type Cluster, startCluster } from '../support/servers/cluster.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';
import { startRedisCluster } from '../support/servers/redis-cluster.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const random = randomOf(SEED);

let cluster: Cluster | undefined;
const ends: (() => Promise<unknown> | void)[] = [];
afterAll(async () => {
  await cluster?.stop();
  for (const end of ends) await end();
});

async function stored({ database }: Cluster, conversationId: number): Promise<StoredRow[]> {
  const client = new Client(database.connection);
  await client.connect();
  const sql = 'select id, sequence, content from messages where conversation_id = $1 order by sequence';
  const { rows } = await client.query<{ id: string; sequence: string; content: string }>(sql, [conversationId]);
  await client.end();
  return rows.map(({ id, sequence, content }) => ({ id: Number(id), sequence: Number(sequence), content }));
}

/** Six testers in two conversations, connected to random nodes, while the faults happen one after the other. */
async function run(running: Cluster, faults: Record<string, () => Promise<unknown>>): Promise<void> {
  process.stdout.write(`chat cluster model: SEED=${SEED}\n`);
  const node = () => running.nodes[Math.floor(random() * running.nodes.length)]!;
  const testers: ChatTester[] = [];
  const rooms = new Map<number, ChatTester[]>();
  for (const room of ['harbour', 'market']) {
    const users = await Promise.all([1, 2, 3].map((i) => running.register(`${room}${i}`)));
    const clients = await Promise.all(users.map((user, i) => connect(running.nodes[i % running.nodes.length]!, user)));
    const id = await createConversation(...clients);
    await Promise.all(clients.map((client) => client.close()));
    const members = users.map((user, i) => new ChatTester(user, id, node, randomOf(SEED + 8 * id + i)));
    rooms.set(id, members);
    testers.push(...members);
  }
  const runs = Promise.all(testers.map((tester) => tester.run()));
  for (const fault of Object.values(faults)) {
    await sleep(500 + random() * 500);
    await Promise.race([fault(), runs]);
  }
  await sleep(500);
  for (const tester of testers) tester.stop();
  await runs;
  for (const [id, members] of rooms) checkHistory(await stored(running, id), members, 100);
}

async function pauseNode({ nodes }: Cluster, index: number): Promise<void> {
  const { child } = nodes[index]!;
  child.kill('SIGSTOP');
  await sleep(1_000);
  child.kill('SIGCONT');
}

async function killNode(running: Cluster, index: number, signal: 'SIGKILL' | 'SIGUSR2' | 'SIGTERM'): Promise<void> {
  running.nodes[index]!.child.kill(signal);
  await running.replace(index);
}

describe.skipIf(!hasRedis)('three nodes with Redis', () => {
  it(`deliver every message once and in one order, whatever fails (SEED=${SEED})`, async () => {
    const redis = await startRedis();
    const proxy = await startProxy({ host: '127.0.0.1', port: redis.port, database: '', user: '', password: '' });
    ends.push(
      () => redis.remove(),
      () => proxy.stop(),
    );
    const running = await startCluster(3, { BUS: 'redis', REDIS_URL: `redis://127.0.0.1:${proxy.connection.port}` });
    cluster = running;
    await run(running, {
      'kill -9 between commit and publish': () => killNode(running, 0, 'SIGUSR2'),
      'restart of Redis': () => redis.stop().then(redis.start),
      'CLIENT KILL TYPE pubsub': () => redis.client.client('KILL', 'TYPE', 'pubsub'),
      'freeze of Redis': () => redis.freeze(1_500),
      FLUSHALL: () => redis.client.flushall(),
      'kill -9 of a node': () => killNode(running, 1, 'SIGKILL'),
      'partition between nodes and Redis': async () => {
        proxy.freeze();
        await sleep(1_500);
        proxy.restore();
      },
      'freeze of a node': () => pauseNode(running, 2),
      'rolling restart': () => killNode(running, 2, 'SIGTERM'),
    });
    await expect.poll(() => running.busState(0)).toBe('ok');
    await running.stop();
    cluster = undefined;
  });
});

describe.skipIf(!hasRedis)('three nodes with a Redis Cluster', () => {
  it(`start without it, and deliver every message once and in one order, whatever fails (SEED=${SEED})`, async () => {
    const redis = await startRedisCluster();
    ends.push(() => redis.remove());
    redis.pause();
    const running = await startCluster(3, { BUS: 'redis-cluster', REDIS_URL: redis.url });
    cluster = running;
    expect(await running.busState(0)).toBe('degraded');
    redis.resume();
    const whenHealed = async (): Promise<void> => {
      for (const node of [0, 1, 2]) await expect.poll(() => running.busState(node), { timeout: 10_000 }).toBe('ok');
    };
    await whenHealed();
    await run(running, {
      'channels moved to another shard': async () => expect(await redis.moveChannels(0, 1)).toBeGreaterThan(20),
      'CLIENT KILL TYPE pubsub': () =>
        Promise.all(redis.clients.map((client) => client.client('KILL', 'TYPE', 'pubsub'))),
      'freeze of a shard': async () => {
        redis.pause(1);
        await sleep(600); // not long enough for its replica to take over
        redis.resume(1);
      },
      'loss of a shard, whose replica takes over': () => redis.kill(1),
      'freeze of a node': () => pauseNode(running, 2),
      'freeze of the whole cluster': async () => {
        redis.pause();
        await sleep(4_000);
        redis.resume();
      },
    });
    await whenHealed();
    await running.stop();
    cluster = undefined;
  });
});

it(`two nodes with LISTEN and NOTIFY deliver every message once and in one order (SEED=${SEED})`, async () => {
  const running = await startCluster(2, { BUS: 'postgres' });
  cluster = running;
  await run(running, {
    'kill -9 between commit and publish': () => killNode(running, 0, 'SIGUSR2'),
    'end of all connections that listen': () => endListeners(running),
    'freeze of a node': () => pauseNode(running, 1),
  });
});

async function endListeners({ database }: Cluster): Promise<void> {
  const client = new Client(database.connection);
  await client.connect();
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like '%dedicated connection' and datname = current_database()`,
  );
  await client.end();
}
