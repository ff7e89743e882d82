import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChatClient, connect, createConversation, type Frame } from '../support/clients/chat-client.js';
import type { Credentials } from '../support/clients/chat-tester.js';
import { type Cluster, startCluster } from '../support/servers/cluster.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';

const percentile = (times: number[], part: number): number =>
  times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1]!;

const isMessage = ({ type }: Frame): boolean => type === 'send_message';

describe.skipIf(!hasRedis)('two nodes with Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let cluster: Cluster;
  let users: [Credentials, Credentials];
  let here: ChatClient;
  let there: ChatClient;
  let conversation_id: number;
  beforeAll(async () => {
    redis = await startRedis();
    await redis.stop(); // both start without it
    cluster = await startCluster(2, { BUS: 'redis', REDIS_URL: redis.url });
    users = [await cluster.register('here'), await cluster.register('there')];
  });
  afterAll(async () => {
    await cluster.stop();
    await redis.remove();
  });

  const send = async (content: string): Promise<number> => {
    const start = performance.now();
    await here.get('send_message', { conversation_id, content });
    return performance.now() - start;
  };

  it('start while Redis is down, say so in the readiness details, and heal', async () => {
    expect(await cluster.busState(0)).toBe('degraded');
    await redis.start();
    await expect.poll(() => cluster.busState(0)).toBe('ok');
    await expect.poll(() => cluster.busState(1)).toBe('ok');
    [here, there] = [await connect(cluster.nodes[0]!, users[0]), await connect(cluster.nodes[1]!, users[1])];
    conversation_id = await createConversation(here, there);
  });

  it('deliver to the other node within 25 ms (p99) after the answer to the sender', async () => {
    const times: number[] = [];
    for (let i = 0; i < 200; i++) {
      const answered = here.get('send_message', { conversation_id, content: `m${i}` }).then(() => performance.now());
      const [frame, at] = await Promise.all([there.next().then((got) => [got, performance.now()] as const), answered]);
      times.push(Math.max(0, frame[1] - at));
      expect(frame[0]).toMatchObject({ data: { content: `m${i}` } });
    }
    const [p50, p99] = [0.5, 0.99].map((part) => percentile(times, part));
    process.stdout.write(`across nodes: p50 ${p50!.toFixed(1)} ms, p99 ${p99!.toFixed(1)} ms\n`);
    expect(p99).toBeLessThanOrEqual(25);
  });

  it('acknowledge messages within a second (p99) while Redis is gone, and deliver them within 5 s of its return', async () => {
    await redis.stop();
    const times: number[] = [];
    for (let i = 0; i < 100; i++) times.push(await send(`gone ${i}`));
    expect(percentile(times, 0.99)).toBeLessThan(1_000);
    await expect.poll(() => cluster.busState(0)).toBe('degraded');
    const before = there.frames.filter(isMessage).length;
    await redis.start();
    const start = performance.now();
    await expect.poll(() => there.frames.filter(isMessage).length, { timeout: 5_000 }).toBe(300);
    process.stdout.write(
      `healed ${(performance.now() - start).toFixed(0)} ms after the return of Redis; ${before - 200} before\n`,
    );
    expect(
      there.frames
        .filter(isMessage)
        .slice(200)
        .map(({ data }) => data.content as string),
    ).toEqual(Array.from({ length: 100 }, (_, i) => `gone ${i}`));
  });

  it('survive that one is killed between commit and publish: the message arrives, its user stays online, others go offline', async () => {
    const [gone, watching] = [await cluster.register('gone'), await cluster.register('watching')];
    for (const node of [0, 1]) await expect.poll(() => cluster.busState(node)).toBe('ok'); // changes of presence are not repeated
    const watcher = await connect(cluster.nodes[1]!, watching);
    const statuses = () => watcher.frames.filter(({ type }) => type === 'user_status').map(({ data }) => data as Frame);
    for (const { username } of [gone, users[0]]) await watcher.get('add_contact', { contact_username: username });
    await connect(cluster.nodes[0]!, gone);
    await expect.poll(statuses).toEqual([{ username: 'gone', is_online: true }]);

    const got = there.frames.filter(isMessage).length;
    cluster.nodes[0]!.child.kill('SIGUSR2');
    await sleep(100); // the signal has been handled by then
    const message = { conversation_id, content: 'of the killed node', nonce: 'of the killed node' };
    here.send({ type: 'send_message', ...message });
    await here.end();
    const killed = performance.now();
    here = await connect(cluster.nodes[1]!, users[0]);
    const again = await here.get('send_message', message); // sent again, because it was not answered
    await expect.poll(() => there.frames.filter(isMessage).length, { timeout: 10_000 }).toBe(got + 1);
    process.stdout.write(`delivered ${(performance.now() - killed).toFixed(0)} ms after the node was killed\n`);
    expect(there.frames.findLast(isMessage)!['data']).toEqual(again);

    await expect.poll(statuses, { timeout: 30_000 }).toContainEqual({ username: 'gone', is_online: false });
    process.stdout.write(`offline ${((performance.now() - killed) / 1000).toFixed(1)} s after the node was killed\n`);
    expect(statuses()).toHaveLength(2); // nothing about the user who has connected to the other node
    expect(there.frames.filter(isMessage)).toHaveLength(got + 1);
  });
});
