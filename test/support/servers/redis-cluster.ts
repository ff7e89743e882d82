import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './postgres-server.js';
import { REDIS_PROGRAM } from './redis-server.js';

const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_000;

interface Server {
  client: Redis;
  port: number;
  busPort: number;
  child: ChildProcess;
}

/** A Redis Cluster on the loopback interface, without persistence. Each shard is a primary and a replica. */
export async function startRedisCluster(shards = 3) {
  const folder = fs.mkdtempSync(join(tmpdir(), 'machi-redis-cluster-'));
  const servers = await Promise.all(Array.from({ length: 2 * shards }, () => startServer(folder)));
  const primaries = servers.slice(0, shards);

  const [first, ...others] = servers as [Server, ...Server[]];
  await Promise.all(primaries.map(({ client }, i) => client.call('cluster', 'set-config-epoch', i + 1)));
  for (const { port, busPort } of others) await first.client.call('cluster', 'meet', '127.0.0.1', port, busPort);
  const bound = (i: number): number => Math.floor((SLOTS * i) / shards);
  await Promise.all(
    primaries.map(({ client }, i) => client.call('cluster', 'addslotsrange', bound(i), bound(i + 1) - 1)),
  );
  const isKnownToAll = async (count: number): Promise<boolean> => {
    const lists = await Promise.all(servers.map(({ client }) => client.call('cluster', 'nodes')));
    return lists.every((list) => String(list).match(/connected/g)?.length === count);
  };
  while (!(await isKnownToAll(servers.length))) await sleep(20);
  const ids = await Promise.all(primaries.map(({ client }) => client.call('cluster', 'myid') as Promise<string>));
  await Promise.all(servers.slice(shards).map(({ client }, i) => client.call('cluster', 'replicate', ids[i]!)));

  const stateOf = async ({ client }: Server): Promise<string> => String(await client.call('cluster', 'info'));
  const whenOk = async (server: Server): Promise<void> => {
    while (!(await stateOf(server)).includes('cluster_state:ok')) await sleep(20);
  };
  const areReplicasUp = async (): Promise<boolean> => {
    const states = await Promise.all(servers.slice(shards).map(({ client }) => client.info('replication')));
    return states.every((state) => state.includes('master_link_status:up'));
  };
  await Promise.all(servers.map(whenOk));
  while (!(await areReplicasUp())) await sleep(20);

  const signal = (name: NodeJS.Signals, shard?: number): void => {
    for (const { child } of shard === undefined ? servers : [primaries[shard]!]) child.kill(name);
  };

  return {
    /** Of all servers, the primaries first. */
    clients: servers.map(({ client }) => client),
    url: servers.map(({ port }) => `redis://127.0.0.1:${port}`).join(','),
    /** Kills a primary. Its replica takes over. */
    async kill(shard: number): Promise<void> {
      servers[shard]!.child.kill('SIGKILL');
      while (!(await servers[shards + shard]!.client.info('replication')).includes('role:master')) await sleep(20);
    },
    /** Stops processes: of one shard, or all. `resume` lets them run again. */
    pause: (shard?: number): void => signal('SIGSTOP', shard),
    resume: (shard?: number): void => signal('SIGCONT', shard),
    /** Moves all channels that have subscribers from a shard to another one, while both run. Returns how many. */
    async moveChannels(from: number, to: number): Promise<number> {
      const [source, target] = [primaries[from]!.client, primaries[to]!.client];
      const channels = (await source.call('pubsub', 'shardchannels')) as string[];
      for (const channel of channels) {
        const slot = await source.cluster('KEYSLOT', channel);
        await target.call('cluster', 'setslot', slot, 'importing', ids[from]!);
        await source.call('cluster', 'setslot', slot, 'migrating', ids[to]!);
        for (const client of [target, source]) await client.call('cluster', 'setslot', slot, 'node', ids[to]!);
      }
      return channels.length;
    },
    async remove(): Promise<void> {
      for (const { client, child } of servers) {
        client.disconnect();
        if (child.exitCode === null && child.signalCode === null) {
          child.kill('SIGKILL');
          await once(child, 'exit');
        }
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startServer(folder: string): Promise<Server> {
  const [port, busPort] = [await freePort(), await freePort()];
  const options = {
    port,
    bind: '127.0.0.1',
    save: '',
    dir: folder,
    'cluster-enabled': 'yes',
    'cluster-port': busPort,
    'cluster-config-file': `nodes-${port}.conf`,
    'cluster-node-timeout': NODE_TIMEOUT_MS,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(REDIS_PROGRAM!, args, { stdio: 'ignore' });
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50 });
  client.on('error', () => undefined);
  while (client.status !== 'ready') {
    if (child.exitCode !== null) throw new Error(`Redis ended with ${child.exitCode}`);
    await sleep(20);
  }
  return { client, port, busPort, child };
}
