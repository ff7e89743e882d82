import { afterAll, beforeAll, expect, it } from 'vitest';
import { BusService } from '../../src/bus/bus.service.js';
import { FollowedConversationsService } from '../../src/chat/delivery/followed-conversations.service.js';
import { GapRepairService } from '../../src/chat/delivery/gap-repair.service.js';
import { PASSWORD, type TestApp } from '../support/app.js';
import { type ChatClient, connect, createConversation, type Frame, V2 } from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes();
});
afterAll(() => stopNodes(nodes));

/** Two users with a conversation, connected to one node each. */
async function pair(): Promise<[here: ChatClient, there: ChatClient, conversationId: number]> {
  const here = await connect(nodes[0], await nodes[0].user());
  const there = await connect(nodes[1], await nodes[0].user());
  return [here, there, await createConversation(here, there)];
}

const contents = (frames: Frame[]): string[] =>
  frames.filter(({ type }) => type === 'send_message').map(({ data }) => data.content as string);

async function received(client: ChatClient, count: number): Promise<string[]> {
  await expect.poll(() => contents(client.frames).length).toBeGreaterThanOrEqual(count);
  return contents(client.frames);
}

it('members on other nodes get a new conversation and its messages, as bytes equal to those of the members here', async () => {
  const [here, there, conversation_id] = await pair();
  here.send({ type: 'send_message', conversation_id, content: 'from 🏮 here', request_id: 'r1' });
  const [own, remote] = [await here.next(), await there.next()];
  expect(own).toEqual({ ...remote, request_id: 'r1' });
  expect(remote).toMatchObject({ success: true, type: 'send_message', data: { content: 'from 🏮 here' } });
  await there.get('send_message', { conversation_id, content: 'from there' });
  expect(await here.next()).toMatchObject({ data: { content: 'from there' } });
});

it('messages of two nodes to one conversation reach all members once and in one order', async () => {
  const [here, there, conversation_id] = await pair();
  const idle = await connect(nodes[1], { token: await tokenOf(here) });
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 10; i++) {
      here.send({ type: 'send_message', conversation_id, content: `here ${round} ${i}` });
      there.send({ type: 'send_message', conversation_id, content: `there ${round} ${i}` });
    }
    for (const client of [here, there]) await received(client, 20 * (round + 1));
  }
  const all = await received(here, 400);
  expect(new Set(all).size).toBe(400);
  expect(await received(there, 400)).toEqual(all);
  expect(await received(idle, 400)).toEqual(all);
});

it('a message longer than a notification arrives in its place between short ones', async () => {
  const [here, there, conversation_id] = await pair();
  const long = '🏮'.repeat(4_000);
  const sent = ['before', long, 'after'];
  for (const content of sent) here.send({ type: 'send_message', conversation_id, content });
  expect(await received(there, 3)).toEqual(sent);
});

it('members who have blocked the sender do not get a message of another node', async () => {
  const [here, there, conversation_id] = await pair();
  const third = await connect(nodes[1], await nodes[0].user());
  const id = await createConversation(here, there, third);
  const blocked = { token: await tokenOf(there), body: {} };
  expect((await nodes[1].request('PUT', `/api/chat/blocks/${here.username}`, blocked)).status).toBe(204);
  await here.get('send_message', { conversation_id: id, content: 'for the third only' });
  expect(await third.next()).toMatchObject({ data: { content: 'for the third only' } });
  await there.expectNoFrame();
  expect(conversation_id).not.toBe(id);
});

it('a member who left on one node gets no message that another node stores later', async () => {
  const [here, , conversation_id] = await pair();
  const member = await nodes[0].user();
  const there = await connect(nodes[1], member, V2);
  const id = await createConversation(here, there);
  expect(id).toBeGreaterThan(conversation_id);
  expect(await there.askPastPushes('leave', { conversation_id: id })).toMatchObject({ success: true });
  await here.get('send_message', { conversation_id: id, content: 'without them' });
  await here.get('send_message', { conversation_id, content: 'a second frame on the same way' });
  await there.expectNoFrame();
});

it('messages that were lost on the bus are delivered in order when it reports the loss', async () => {
  const [here, there, conversation_id] = await pair();
  const bus = nodes[0].app.get(BusService);
  const send = bus.send.bind(bus);
  bus.send = () => undefined;
  for (const content of ['lost 1', 'lost 2']) await here.get('send_message', { conversation_id, content });
  bus.send = send;
  await here.get('send_message', { conversation_id, content: 'next' }); // a gap
  expect(await received(there, 3)).toEqual(['lost 1', 'lost 2', 'next']);
  bus.send = () => undefined;
  await here.get('send_message', { conversation_id, content: 'last' }); // found by the sweep
  bus.send = send;
  expect(await received(there, 4)).toEqual(['lost 1', 'lost 2', 'next', 'last']);
});

/** Two members on two nodes, whose message `before` was lost on the bus, and a user who is no member yet. */
async function loseMessage() {
  const here = await connect(nodes[0], await nodes[0].user(), V2);
  const there = await connect(nodes[1], await nodes[0].user());
  const late = await connect(nodes[1], await nodes[0].user());
  const conversation_id = await createConversation(here, there);
  const bus = nodes[0].app.get(BusService);
  const send = bus.send.bind(bus);
  bus.send = () => undefined;
  await here.askPastPushes('send_message', { conversation_id, content: 'before' });
  return { here, there, late, conversation_id, restoreBus: () => (bus.send = send) };
}

it('a member who is added gets no message from before, also when that was lost on the bus', async () => {
  const { here, there, late, conversation_id, restoreBus } = await loseMessage();
  restoreBus();
  await here.askPastPushes('add_members', { conversation_id, members: [late.username] });
  await here.askPastPushes('send_message', { conversation_id, content: 'after' });
  expect(await received(there, 2)).toEqual(['before', 'after']);
  expect(await received(late, 1)).toEqual(['after']);
  await late.askPastPushes('get_messages', { conversation_id });
  expect(contents(late.frames)).toEqual(['after']);
});

it.each(['a repair', 'a message of another member'])(
  'a member who is added gets no message from before when %s reaches the database ahead of the announcement',
  async (first) => {
    const { here, there, late, conversation_id, restoreBus } = await loseMessage();
    await here.askPastPushes('add_members', { conversation_id, members: [late.username] });
    if (first === 'a repair') await nodes[1].app.get(GapRepairService).repair([conversation_id]);
    else there.send({ type: 'send_message', conversation_id, content: 'from there' });
    const expected = first === 'a repair' ? [] : ['from there'];
    expect(await received(there, 1 + expected.length)).toEqual(['before', ...expected]);
    restoreBus();
    await here.askPastPushes('send_message', { conversation_id, content: 'after' });
    expect(await received(late, 1 + expected.length)).toEqual([...expected, 'after']);
  },
);

it('a conversation whose announcement was lost is announced by the sweep, with its messages', async () => {
  const here = await connect(nodes[0], await nodes[0].user());
  const there = await connect(nodes[1], await nodes[0].user());
  const bus = nodes[0].app.get(BusService);
  const send = bus.send.bind(bus);
  bus.send = () => undefined;
  const members = [there.username];
  const { id } = await here.get('create_conversation', { members, name: 'Quay' });
  await here.get('send_message', { conversation_id: id, content: 'first' });
  bus.send = send;
  expect(await there.next()).toMatchObject({ type: 'create_conversation', data: { id, name: 'Quay' } });
  expect(await there.next()).toMatchObject({ type: 'send_message', data: { content: 'first' } });
});

it('contact requests and presence reach contacts on other nodes', async () => {
  const [one, other] = [await nodes[0].user(), await nodes[0].user()];
  const here = await connect(nodes[0], one, V2);
  const there = await connect(nodes[1], other, V2);
  await here.get('add_contact', { contact_username: other.username });
  expect(await there.next()).toMatchObject({ type: 'contact_request', data: { username: one.username } });
  await there.get('accept_contact', { contact_username: one.username });
  expect(await here.next()).toMatchObject({ type: 'contact_accepted' });
  await there.close();
  expect(await here.next()).toMatchObject({
    type: 'user_status',
    data: { username: other.username, is_online: false },
  });
  await connect(nodes[1], other);
  expect(await here.next()).toMatchObject({ type: 'user_status', data: { username: other.username, is_online: true } });
});

it('events reach members on other nodes once and in order, and members who are added there get event and messages', async () => {
  const here = await connect(nodes[0], await nodes[0].user(), V2);
  const there = await connect(nodes[1], await nodes[0].user(), V2);
  const added = await connect(nodes[1], await nodes[0].user(), V2);
  const conversation_id = await createConversation(here, there);
  const events = (client: ChatClient): Frame[] =>
    client.frames.filter(({ type }) => type === 'conversation_event').map(({ data }) => data as Frame);
  for (let i = 0; i < 10; i++) here.send({ type: 'rename', conversation_id, name: `name ${i}` });
  here.send({ type: 'add_members', conversation_id, members: [added.username] });
  for (const client of [here, there]) await expect.poll(() => events(client).length).toBe(11);
  expect(events(there)).toEqual(events(here));
  expect(
    events(there)
      .map(({ name }) => name as string)
      .slice(0, 10),
  ).toEqual(Array.from({ length: 10 }, (_, i) => `name ${i}`));
  await expect.poll(() => events(added)).toMatchObject([{ kind: 'members_added', usernames: [added.username] }]);
  here.send({ type: 'send_message', conversation_id, content: 'welcome' });
  expect(await received(added, 1)).toEqual(['welcome']);
});

it('conversations of users who have disconnected are no longer followed after a while', async () => {
  const [here, there, conversation_id] = await pair();
  const followed = nodes[1].app.get(FollowedConversationsService);
  expect(followed.revisionOf(conversation_id)).toBe(1);
  await there.close();
  for (let tick = 0; tick < 40; tick++) followed.onTick();
  expect(followed.revisionOf(conversation_id)).toBeUndefined();
  await here.get('send_message', { conversation_id, content: 'nobody is there' });
});

const tokens = new Map<string, string>();
async function tokenOf({ username }: ChatClient): Promise<string> {
  const known = tokens.get(username) ?? (await nodes[0].signIn(username, PASSWORD));
  tokens.set(username, known);
  return known;
}
