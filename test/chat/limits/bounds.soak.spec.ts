import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Connection } from '../../../src/chat/connections/connection.js';
import { ConnectionsService } from '../../../src/chat/connections/connections.service.js';
import { startApp, type TestApp } from '../../support/app.js';
import { createConversation, connectUsers } from '../../support/clients/chat-client.js';
import { noticed, startProxy } from '../../support/servers/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  t = await startApp({ route: async (connection) => (proxy = await startProxy(connection)).connection });
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

afterEach(async () => {
  proxy.restore();
  await noticed(t.dataSource);
});

const total = (of: (connection: Connection) => number): number =>
  t.app.get(ConnectionsService).all.reduce((sum, connection) => sum + of(connection), 0);

const LONG = 'x'.repeat(16_000);

it('the server stops reading a connection while 64 Ki characters of frames wait', async () => {
  const [one] = await connectUsers(t, 1);
  proxy.freeze();
  one!.send({ type: 'self' });
  const padding = 'x'.repeat(65_000);
  for (let i = 0; i < 400; i++) one!.send({ type: 'ping', padding });
  const waiting = (): number => total(({ received }) => received.waiting);
  await expect.poll(waiting).toBeGreaterThan(0);
  await sleep(500); // long enough for more to arrive
  expect(waiting()).toBeLessThan(5);
  proxy.restore();
  expect(await one!.next()).toMatchObject({ type: 'self' });
  for (let i = 0; i < 400; i++) expect(await one!.next()).toMatchObject({ type: 'ping', success: true });
});

it('the server stops reading a connection while a frame of a megabyte waits', async () => {
  const clients = await connectUsers(t, 5);
  proxy.freeze();
  for (const client of clients) {
    client.send({ type: 'self' });
    for (let i = 0; i < 20; i++) client.send({ type: 'ping', padding: 'x'.repeat(1_000_000) });
  }
  const waiting = (): number => total(({ received }) => received.waiting);
  await expect.poll(waiting).toBeGreaterThan(0);
  await sleep(500); // long enough for more to arrive
  expect(waiting()).toBeLessThanOrEqual(2 * clients.length);
  proxy.restore();
  for (const client of clients) {
    expect(await client.next()).toMatchObject({ type: 'self' });
    for (let i = 0; i < 20; i++) expect(await client.next()).toMatchObject({ type: 'ping', success: true });
  }
});

it('the server handles no further frame of a connection while 64 messages are in flight', async () => {
  const [one] = await connectUsers(t, 1);
  const conversation_id = await createConversation(one!);
  proxy.freeze();
  for (let i = 0; i < 200; i++) one!.send({ type: 'send_message', conversation_id, content: `m${i}` });
  const unanswered = (): number => total(({ received }) => received.unanswered);
  await expect.poll(unanswered).toBe(64);
  await sleep(300); // long enough for more to arrive
  expect(unanswered()).toBe(64);
  proxy.restore();
  for (let i = 0; i < 200; i++) expect(await one!.next()).toMatchObject({ data: { content: `m${i}` } });
});

it('send_message is refused, in order, while 32 Mi characters wait for the database', async () => {
  const clients = await connectUsers(t, 40);
  const ids = await Promise.all(clients.map((client) => createConversation(client)));
  proxy.freeze();
  for (const [i, client] of clients.entries()) {
    for (let j = 0; j < 64; j++) {
      client.send({ type: 'send_message', conversation_id: ids[i], content: LONG, request_id: `r${j}` });
    }
  }
  const waiting = (): number => LONG.length * total(({ received }) => received.unanswered);
  await expect.poll(waiting).toBeGreaterThan(30 * 1024 * 1024);
  await sleep(500); // long enough for more to arrive
  expect(waiting()).toBeLessThan(36 * 1024 * 1024);
  proxy.restore();
  let stored = 0;
  for (const client of clients) {
    const own = () => client.frames.filter(({ request_id }) => request_id !== undefined);
    await expect.poll(() => own().length).toBe(64);
    expect(own().map(({ request_id }) => request_id)).toEqual(Array.from({ length: 64 }, (_, i) => `r${i}`));
    const refused = own().filter(({ success }) => !success);
    expect(new Set(refused.map(({ error }) => error as string)).size).toBeLessThan(2);
    stored += 64 - refused.length;
  }
  const count = 'select count(*)::int as count from messages where conversation_id = any ($1)';
  const [row] = await t.dataSource.query<{ count: number }[]>(count, [ids]);
  expect(row!.count).toBe(stored);
});

it('the 30 seconds of an outage start with its first failure, not with an earlier outage', async () => {
  t.clock.set(Date.now());
  const [one] = await connectUsers(t, 1);
  const conversation_id = await createConversation(one!);
  proxy.cut();
  one!.send({ type: 'send_message', conversation_id, content: 'first' });
  await sleep(300);
  t.clock.advance(31_000);
  expect(await one!.next()).toMatchObject({ success: false });
  t.clock.advance(60_000);
  one!.send({ type: 'send_message', conversation_id, content: 'second' });
  await sleep(300);
  proxy.restore();
  expect(await one!.next()).toMatchObject({ success: true, data: { content: 'second' } });
  t.clock.run();
});
