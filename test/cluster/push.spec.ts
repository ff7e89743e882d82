import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PushWorker } from '../../src/chat/push/push.worker.js';
import { createKeyPair } from '../../src/common/keys/key-pair.js';
import { type SignedInUser, type TestApp } from '../support/app.js';
import { type ChatClient, connect, type Frame } from '../support/clients/chat-client.js';
import { startPushService } from '../support/servers/push-service.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

let nodes: [TestApp, TestApp];
let service: Awaited<ReturnType<typeof startPushService>>;
beforeAll(async () => {
  nodes = await startNodes({ VAPID_PRIVATE_KEY: createKeyPair() });
  service = await startPushService();
});
afterAll(async () => {
  await stopNodes(nodes);
  await service.stop();
});

async function subscribe(node: TestApp, { token }: SignedInUser): Promise<string> {
  const { endpoint, keys } = service.subscribe();
  const { status } = await node.request('POST', '/api/push/subscriptions', { token, body: { endpoint, keys } });
  expect(status).toBe(200);
  return endpoint;
}

const pushesTo = (endpoint: string): number => service.received.filter(({ path }) => endpoint.endsWith(path)).length;

async function say(client: ChatClient, conversation_id: number, content: string): Promise<void> {
  expect(await client.askPastPushes('send_message', { conversation_id, content })).toMatchObject({ success: true });
}

async function settle(): Promise<void> {
  for (const node of nodes) await node.app.get(PushWorker).run();
  for (const node of nodes) await node.app.get(PushWorker).idle();
}

async function waitForPresence({ username }: SignedInUser): Promise<void> {
  const sql = `select 1 from presences s join participants p on p.id = s.participant_id
    join users u on u.id = p.user_id where u.username = $1`;
  while ((await nodes[0].dataSource.query<unknown[]>(sql, [username])).length === 0) await sleep(10);
}

it('a user who is connected to the other node gets no push, and one who is connected to none gets one', async () => {
  const [sender, there, away] = [await nodes[0].user(), await nodes[0].user(), await nodes[0].user()];
  const client = await connect(nodes[0], sender);
  await connect(nodes[1], there);
  await waitForPresence(there);
  const endpoints = [await subscribe(nodes[0], there), await subscribe(nodes[0], away)];
  for (const { username } of [there, away]) {
    const { data } = await client.askPastPushes('create_conversation', { members: [username] });
    await say(client, (data as Frame)['id'] as number, 'hello');
  }
  await settle();
  expect(endpoints.map(pushesTo)).toEqual([0, 1]);
});

it('a subscription that was made on one node counts at once for messages on the other', async () => {
  const [sender, away] = [await nodes[0].user(), await nodes[0].user()];
  const client = await connect(nodes[0], sender);
  const { data } = await client.askPastPushes('create_conversation', { members: [away.username] });
  const id = (data as Frame)['id'] as number;
  await say(client, id, 'before'); // the node knows the members from here on
  await settle(); // otherwise this message may find the subscription that is made next
  const endpoint = await subscribe(nodes[1], away);
  for (let i = 0; i < 200 && pushesTo(endpoint) === 0; i++) {
    await say(client, id, `message ${i}`); // the bus takes some milliseconds
    await settle();
  }
  expect(pushesTo(endpoint)).toBe(1);
});

it('both nodes together send each push once', async () => {
  const [first, second, ...away] = await Promise.all(Array.from({ length: 7 }, () => nodes[0].user()));
  const clients = [await connect(nodes[0], first!), await connect(nodes[1], second!)];
  const endpoints: string[] = [];
  for (const [i, user] of away.entries()) {
    endpoints.push(await subscribe(nodes[0], user));
    const client = clients[i % 2]!;
    const { data } = await client.askPastPushes('create_conversation', { members: [user.username] });
    await say(client, (data as Frame)['id'] as number, 'hello');
  }
  await settle();
  expect(endpoints.map(pushesTo)).toEqual([1, 1, 1, 1, 1]);
});
