import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConnectionsService } from '../../../src/chat/connections/connections.service.js';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, createConversation, connectUsers } from '../../support/clients/chat-client.js';
import { rounds } from '../../support/setup/rounds.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
});
afterAll(() => t.stop());

const CONTENT = '🏮'.repeat(15_000); // 60 KB as UTF-8

/** Sends large messages one after the other. Returns the milliseconds until each is answered. */
async function flood(client: ChatClient, conversation_id: number, times: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await client.get('send_message', { conversation_id, content: CONTENT });
    latencies.push(performance.now() - start);
  }
  return latencies;
}

it('a receiver that does not read is closed with 4290, and its queued frames are dropped', async () => {
  const [one, slow] = await connectUsers(t, 2);
  const id = await createConversation(one!, slow!);
  slow!.socket.pause();
  await flood(one!, id, 150);
  expect(t.app.get(ConnectionsService).queuedBytes).toBe(0);
  slow!.socket.resume();
  expect(await slow!.end()).toEqual([4290, 'slow consumer']);
  expect(slow!.frames.length).toBeLessThan(150);
});

it('a receiver that accepts nothing for ten seconds is closed with 4290, however few bytes are queued', async () => {
  t.clock.set(Date.now());
  const [one, slow] = await connectUsers(t, 2);
  const id = await createConversation(one!, slow!);
  slow!.socket.pause();
  const waiting = () => t.app.get(ConnectionsService).queuedBytes;
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

it('a connection whose session is revoked gets none of its queued frames', async () => {
  const [one] = await connectUsers(t, 1);
  const user = await t.user();
  const slow = await connect(t, user);
  const id = await createConversation(one!, slow);
  slow.socket.pause();
  while (t.app.get(ConnectionsService).queuedBytes === 0) await flood(one!, id, 1);
  const sent = one!.frames.length;
  const { status } = await t.request('DELETE', '/api/sessions/current', { token: user.token });
  expect(status).toBe(204);
  await expect.poll(() => t.app.get(ConnectionsService).queuedBytes).toBe(0);
  slow.socket.resume();
  expect(await slow.end()).toEqual([4401, 'signed out']);
  expect(slow.frames.length).toBeLessThan(sent);
});

it('user_status is not sent while 16 MiB are queued for all connections together', async () => {
  t.clock.set(Date.now());
  const [one, reader] = await connectUsers(t, 2);
  const [user, friend] = [await t.user(), await t.user()];
  await reader!.get('add_contact', { contact_username: friend.username });
  const slow = await Promise.all(Array.from({ length: 60 }, () => connect(t, user)));
  const made = await one!.get('create_conversation', { members: [user.username] });
  for (const client of slow) client.socket.pause();
  const connections = t.app.get(ConnectionsService);
  while (connections.queuedBytes < 16 * 1024 * 1024) await flood(one!, made['id'] as number, 1);
  const phone = await connect(t, friend);
  const presence = 'select 1 from presences s join participants p on p.id = s.participant_id where p.user_id = $1';
  const findPresence = () => t.dataSource.query<unknown[]>(presence, [friend.id]);
  await expect.poll(findPresence).toHaveLength(1);
  await reader!.expectNoFrame();
  for (const client of slow) client.socket.terminate();
  await expect.poll(() => connections.queuedBytes).toBe(0);
  await phone.close();
  expect(await reader!.next()).toMatchObject({ type: 'user_status', data: { is_online: false } });
  t.clock.run();
});

it('a slow receiver that keeps reading gets all frames in order', async () => {
  const [one, slow] = await connectUsers(t, 2);
  const id = await createConversation(one!, slow!);
  for (let i = 0; i < 40; i++) {
    slow!.socket.pause();
    await flood(one!, id, 5);
    slow!.socket.resume();
    await sleep(5);
  }
  await expect.poll(() => slow!.frames.length).toBe(one!.frames.length);
  expect(slow!.frames.map(({ data }) => data.id ?? data)).toEqual(one!.frames.map(({ data }) => data.id ?? data));
});

const RECEIVERS = rounds(100, 500);

it(`${RECEIVERS} stalled receivers keep memory below its limit and do not delay other receivers`, async () => {
  const [one, reader] = await connectUsers(t, 2);
  const user = await t.user();
  const slow: ChatClient[] = [];
  for (let i = 0; i < RECEIVERS; i += 50) {
    slow.push(...(await Promise.all(Array.from({ length: 50 }, () => connect(t, user)))));
  }
  const made = await one!.get('create_conversation', { members: [reader!.username, user.username] });
  await reader!.next();
  for (const client of slow) client.socket.pause();
  const before = process.memoryUsage().rss;
  const connections = t.app.get(ConnectionsService);
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, connections.queuedBytes)), 5);
  const latencies = await flood(one!, made['id'] as number, 60);
  clearInterval(watch);
  const median = latencies.toSorted((a, b) => a - b)[30]!;
  expect(most).toBeLessThan(65 * 1024 * 1024);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  expect(median).toBeLessThan(2_000);
  await expect.poll(() => reader!.frames.length).toBe(one!.frames.length);
  for (const client of slow) client.socket.terminate();
});
