import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionsService } from '../../../src/chat/connections/connections.service.js';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, connectUsers, createConversation } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

/** JSON in its longest spelling: each UTF-16 code unit of each text as an escape. */
const escaped = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/"((?:[^"\\]|\\.)*)"/g, (text) => {
    const units = Array.from({ length: (JSON.parse(text) as string).length }, (_, i) =>
      (JSON.parse(text) as string).charCodeAt(i).toString(16).padStart(4, '0'),
    );
    return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
  });

const escapedContent = (unit: string, count: number) => unit.repeat(count);

describe('a message of 16,000 characters', () => {
  let one: ChatClient;
  let id: number;
  beforeAll(async () => {
    [one] = (await connectUsers(t, 1)) as [ChatClient];
    id = await createConversation(one);
  });

  it.each([
    ['あ as \\u3042', '\\u3042', 'あ'],
    ['🏮 as two escapes', '\\ud83c\\udfee', '🏮'],
    ['control characters as escapes', '\\u0001', '\u0001'],
  ])('is stored when it is written as %s', async (_, unit, character) => {
    const content = `x${escapedContent(unit, 15_999)}`; // one character is visible, as the chat requires
    one.send(`{"type":"send_message","conversation_id":${id},"content":"${content}","request_id":"r"}`);
    const { success, data, request_id } = await one.next();
    expect([success, request_id, data.content === `x${character.repeat(15_999)}`]).toEqual([true, 'r', true]);
  });

  it('is stored when every key and every text of the frame is escaped', async () => {
    const content = '🏮'.repeat(16_000);
    const texts = { request_id: '🏮'.repeat(64), nonce: '🏮'.repeat(64) };
    const frame = escaped({ type: 'send_message', conversation_id: id, content, reply_id: null, ...texts });
    expect(frame.length).toBeGreaterThan(192_000);
    one.send(frame);
    expect(await one.next()).toMatchObject({ success: true, request_id: texts.request_id });
  });
});

it('create_conversation with 1,000 usernames in their longest spelling is answered with a sentence', async () => {
  const [one] = await connectUsers(t, 1);
  one!.send(escaped({ type: 'create_conversation', members: Array.from({ length: 1_000 }, () => 'x'.repeat(100)) }));
  expect(await one!.next()).toEqual({
    success: false,
    type: 'create_conversation',
    error: `There is no user "${'x'.repeat(100)}".`,
  });
});

it.each([
  ['16,001 characters', 'send_message', { content: '🏮'.repeat(16_001) }, 'content'],
  ['a megabyte', 'send_message', { content: 'x'.repeat(1_000_000) }, 'content'],
  ['a nonce of a megabyte', 'send_message', { content: 'x', nonce: 'x'.repeat(1_000_000) }, 'nonce'],
  ['100,000 members', 'create_conversation', { members: Array.from({ length: 100_000 }, () => 'ren.ito') }, 'members'],
  ['a name of a megabyte', 'create_conversation', { members: [], name: 'x'.repeat(1_000_000) }, 'name'],
  ['a username of a megabyte', 'add_contact', { contact_username: 'x'.repeat(1_000_000) }, 'contact_username'],
  ['a request_id of a megabyte', 'ping', { request_id: 'x'.repeat(1_000_000) }, 'request_id'],
])(
  '%s: %s is answered with an error that names the field, and the connection stays open',
  async (_, type, fields, field) => {
    const [one] = await connectUsers(t, 1);
    const answer = await one!.ask(type, { conversation_id: 1, ...fields });
    expect(answer).toMatchObject({ success: false, type, error: expect.stringMatching(`^${field} must (be|have) `) });
    await one!.expectNoFrame();
  },
);

it.each([
  ['no JSON', 'x'.repeat(1_000_000)],
  ['lists 500,000 deep', '['.repeat(500_000) + ']'.repeat(500_000)],
  ['an unknown type', JSON.stringify({ type: 'x'.repeat(1_000_000) })],
])('a long frame with %s is answered with a root error', async (_, text) => {
  const [one] = await connectUsers(t, 1);
  one!.send(text);
  expect(await one!.next()).toMatchObject({ success: false, type: 'root' });
  await one!.expectNoFrame();
});

it('frames of more than 8 Mi characters from all connections of a user are refused unparsed until the limit recovers', async () => {
  t.clock.set(Date.now());
  const user = await t.user();
  const [one, two] = [await connect(t, user), await connect(t, user)];
  const frame = JSON.stringify({ type: 'ping', padding: 'x'.repeat(1_000_000) });
  const answers = [];
  for (let i = 0; i < 10; i++) {
    const client = i % 2 ? one : two;
    client.send(frame);
    answers.push(await client.next());
  }
  expect(answers.slice(0, 8).map(({ data }) => data as unknown)).toEqual(Array<string>(8).fill('pong'));
  const refusal = { success: false, type: 'root', error: 'Too much was sent; wait a moment.' };
  expect(answers.slice(8)).toEqual([refusal, refusal]);
  await one.expectNoFrame(); // a short frame
  t.clock.advance(2_000);
  one.send(frame);
  expect(await one.next()).toMatchObject({ success: true });
  t.clock.run();
});

it('pings and pongs do not count as bytes of the frame that is being received', async () => {
  const free = await startApp({ env: { RATE_LIMITS: 'off' } });
  const [one] = await connectUsers(free, 1);
  const held = (): number => free.app.get(ConnectionsService)['receiveBudget']['total'];
  one!.socket.send('{"type":"ping","padding":"'.padEnd(100_000, 'x'), { fin: false });
  await expect.poll(held).toBeGreaterThan(30_000);
  const before = held();
  for (let i = 0; i < 1_000; i++) one!.socket.pong('x'.repeat(125));
  one!.socket.ping('last');
  await once(one!.socket, 'pong');
  expect(held()).toBe(before);
  one!.socket.send('"}');
  expect(await one!.next()).toMatchObject({ type: 'ping', success: true });
  expect(held()).toBe(0);
  await free.stop();
});

it('connections are cut when more than 64 MiB of unfinished long frames are held', async () => {
  const clients: ChatClient[] = [];
  for (let i = 0; i < 12; i++) {
    const user = await t.user();
    for (let j = 0; j < 8; j++) clients.push(await connect(t, user));
  }
  const part = '{"type":"ping","padding":"'.padEnd(1_000_000, 'x');
  const closed = () => clients.filter(({ closed: end }) => end !== undefined);
  for (const { socket } of clients) socket.send(part, { fin: false });
  await expect.poll(() => closed().length).toBeGreaterThan(20);
  expect(new Set(closed().map(({ closed: end }) => end![0]))).toEqual(new Set([1006]));
  const open = () => clients.filter(({ closed: end }) => end === undefined);
  for (const { socket } of open()) socket.send('"}');
  await expect.poll(() => open().filter(({ frames }) => frames.length !== 2).length).toBe(0);
  expect(closed().length).toBeLessThan(40);
  const [one] = await connectUsers(t, 1);
  one!.send({ type: 'ping', padding: 'x'.repeat(1_000_000) });
  expect(await one!.next()).toMatchObject({ success: true });
  await Promise.all(open().map((client) => client.close()));
});
