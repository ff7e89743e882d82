import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { connect, createConversation } from '../support/chat-client.js';
import { freePort } from '../support/postgres-server.js';
import { type Cluster, startCluster } from '../support/cluster.js';

let cluster: Cluster;
afterAll(() => cluster.stop());

const workers = (): number[] => {
  const pid = cluster.nodes[0]!.child.pid!;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
};

it('WORKERS=2 serves one port with two processes, starts a killed one again, and stops with SIGTERM', async () => {
  cluster = await startCluster(1, { BUS: 'postgres', WORKERS: '2', PORT: String(await freePort()) });
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

  const [killed] = workers();
  process.kill(killed!, 'SIGKILL');
  await expect.poll(listened).toBe(3);
  expect(workers()).toHaveLength(2);
  expect(workers()).not.toContain(killed);
  expect(machi!.output()).toMatch(/Worker \d ended \(SIGKILL\)/);
  const again = await connect(machi!, users[0]!);
  expect(await again.get('get_messages', { conversation_id })).toMatchObject({ conversation_id });

  expect(await machi!.kill('SIGTERM'), machi!.output()).toBe(0);
});
