import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Connections } from '../../src/chat/sockets/connections.js';
import { startApp, type TestApp } from '../app.js';
import { type ChatClient, connect, conversation, people } from './client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
});
afterAll(() => t.stop());

const CONTENT = '🏮'.repeat(15_000); // 60 KB on the wire

/** Sends so much that no socket's buffers take it all; waits for the echo each time. */
async function flood(client: ChatClient, conversation_id: number, times: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await client.get('send_message', { conversation_id, content: CONTENT });
    latencies.push(performance.now() - start);
  }
  return latencies;
}

it('a receiver who does not read ends with 4290, and what waited for it is dropped', async () => {
  const [one, slow] = await people(t, 2);
  const id = await conversation(one!, slow!);
  slow!.socket.pause();
  await flood(one!, id, 150);
  expect(t.app.get(Connections).waiting).toBe(0);
  slow!.socket.resume();
  expect(await slow!.end()).toEqual([4290, 'slow consumer']);
  expect(slow!.frames.length).toBeLessThan(150);
});

it('one who takes nothing for ten seconds ends, however little waits', async () => {
  t.clock.set(Date.now());
  const [one, slow] = await people(t, 2);
  const id = await conversation(one!, slow!);
  slow!.socket.pause();
  const { waiting } = { waiting: () => t.app.get(Connections).waiting };
  while (waiting() === 0) await flood(one!, id, 1);
  t.clock.advance(9_999);
  await sleep(1_100);
  expect(waiting()).toBeGreaterThan(0);
  t.clock.advance(1);
  await expect.poll(waiting).toBe(0);
  slow!.socket.resume();
  expect((await slow!.end())[0]).toBe(4290);
  t.clock.set(Date.now());
});

it('one who is slow but reads gets everything, in order', async () => {
  const [one, slow] = await people(t, 2);
  const id = await conversation(one!, slow!);
  for (let i = 0; i < 40; i++) {
    slow!.socket.pause();
    await flood(one!, id, 5);
    slow!.socket.resume();
    await sleep(5);
  }
  await expect.poll(() => slow!.frames.length).toBe(one!.frames.length);
  expect(slow!.frames.map(({ data }) => data.id ?? data)).toEqual(one!.frames.map(({ data }) => data.id ?? data));
});

it('500 of them at once leave memory and everyone else alone', async () => {
  const [one, reader] = await people(t, 2);
  const user = await t.user();
  const slow: ChatClient[] = [];
  for (let i = 0; i < 500; i += 50) {
    slow.push(...(await Promise.all(Array.from({ length: 50 }, () => connect(t, user)))));
  }
  const made = await one!.get('create_conversation', { members: [reader!.username, user.username] });
  await reader!.next();
  for (const client of slow) client.socket.pause();
  const before = process.memoryUsage().rss;
  const connections = t.app.get(Connections);
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, connections.waiting)), 5);
  const latencies = await flood(one!, made['id'] as number, 60);
  clearInterval(watch);
  const median = latencies.toSorted((a, b) => a - b)[30]!;
  expect(most).toBeLessThan(65 * 1024 * 1024);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  expect(median).toBeLessThan(2_000);
  await expect.poll(() => reader!.frames.length).toBe(one!.frames.length);
  for (const client of slow) client.socket.terminate();
});
