import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, createConversation } from '../support/clients/chat-client.js';
import { freePort } from '../support/servers/postgres-server.js';
import { canLimitDescriptors, limitDescriptors, type MachiProcess } from '../support/servers/machi-process.js';
import { type Cluster, startCluster } from '../support/servers/cluster.js';
import { parseMetrics } from '../support/metrics.js';

let cluster: Cluster;
let metricsPort: number;
beforeAll(async () => {
  metricsPort = await freePortPair();
  const env = { BUS: 'postgres', WORKERS: '2', PORT: String(await freePort()), METRICS_PORT: String(metricsPort) };
  cluster = await startCluster(1, env);
});
afterAll(() => cluster.stop());

const workersOf = ({ child }: MachiProcess): number[] => {
  const pid = child.pid!;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
};

/** The first of two free ports. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort();
    const next = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      next.once('error', () => resolve(false));
      next.listen(port + 1, '127.0.0.1', () => next.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

it('WORKERS=2 serves one port with two processes, starts a killed one again, and stops with SIGTERM', async () => {
  const [machi] = cluster.nodes;
  const listened = () => machi!.output().match(/Worker \d listens/g)?.length ?? 0;
  await expect.poll(listened).toBe(2);
  const users = await Promise.all(['ebb', 'flow', 'tide', 'wave'].map((name) => cluster.register(name)));
  const clients = await Promise.all(users.map((user) => connect(machi!, user)));
  const conversation_id = await createConversation(...clients);
  for (const [i, client] of clients.entries()) {
    client.send({ type: 'send_message', conversation_id, content: `m${i}` });
    for (const receiver of clients) expect(await receiver.next()).toMatchObject({ data: { content: `m${i}` } });
  }

  /** Each worker answers on a port of its own, with its own numbers. */
  const connectionsOf = async (port: number): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return parseMetrics(text).find(({ name }) => name === 'machi_chat_connections')!.value;
  };
  const connections = async () => [await connectionsOf(metricsPort), await connectionsOf(metricsPort + 1)];
  const counts = await connections();
  expect(counts.reduce((sum, count) => sum + count)).toBe(clients.length);
  expect(await connections()).toEqual(counts);

  const [killed] = workersOf(machi!);
  process.kill(killed!, 'SIGKILL');
  await expect.poll(listened, { timeout: 45_000 }).toBe(3);
  expect(workersOf(machi!)).toHaveLength(2);
  expect(workersOf(machi!)).not.toContain(killed);
  expect(machi!.output()).toMatch(/Worker \d ended \(SIGKILL\)/);
  expect((await connections()).reduce((sum, count) => sum + count)).toBeLessThanOrEqual(clients.length);
  const again = await connect(machi!, users[0]!);
  expect(await again.get('get_messages', { conversation_id })).toMatchObject({ conversation_id });

  expect(await machi!.kill('SIGTERM'), machi!.output()).toBe(0);
});

it('a worker that cannot start again is tried again, and the other one goes on', async () => {
  const firstPort = await freePortPair();
  const machi = cluster.launch({ PORT: String(await freePort()), METRICS_PORT: String(firstPort) });
  await expect.poll(() => machi.output().match(/Worker \d listens/g)?.length, { timeout: 45_000 }).toBe(2);
  const [killed] = workersOf(machi);
  process.kill(killed!, 'SIGKILL');
  await expect.poll(() => machi.output()).toMatch(/Worker \d ended \(SIGKILL\)/);
  const index = Number(/Worker (\d) ended/.exec(machi.output())![1]) - 1;
  const holder = createServer().listen(firstPort + index, '127.0.0.1'); // the new worker cannot listen there
  await expect.poll(() => machi.output(), { timeout: 45_000 }).toMatch(/ended \(78\); starting another one in 2000 ms/);
  expect(workersOf(machi)).toHaveLength(1);
  holder.close();
  await expect.poll(() => machi.output().match(/Worker \d listens/g)?.length, { timeout: 45_000 }).toBe(3);
  expect(await machi.kill('SIGTERM'), machi.output()).toBe(0);
});

it.runIf(canLimitDescriptors)(
  'a worker whose process cannot be started is tried again, and the other one goes on',
  async () => {
    const machi = cluster.launch({ PORT: String(await freePort()), METRICS_PORT: String(await freePortPair()) });
    await expect.poll(() => machi.output().match(/Worker \d listens/g)?.length, { timeout: 45_000 }).toBe(2);
    limitDescriptors(machi, 0);
    process.kill(workersOf(machi)[0]!, 'SIGKILL');
    const failed = /Worker \d failed \(spawn .* EMFILE\)[^]* ended \(not started\); starting another one in 2000 ms/;
    await expect.poll(() => machi.output(), { timeout: 45_000 }).toMatch(failed);
    expect(workersOf(machi)).toHaveLength(1);
    limitDescriptors(machi);
    await expect.poll(() => machi.output().match(/Worker \d listens/g)?.length, { timeout: 45_000 }).toBe(3);
    expect(await machi.kill('SIGTERM'), machi.output()).toBe(0);
  },
);

it('WORKERS=2 with a PORT in use exits with 78 and starts no further workers', async () => {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const second = cluster.launch({ PORT: String(port), METRICS_PORT: String(await freePortPair()) });
  expect(await second.ended, second.output()).toBe(78);
  expect(second.output()).toContain('EADDRINUSE');
  expect(second.output()).not.toContain('starting another one');
  holder.close();
});
