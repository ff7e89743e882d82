import { once } from 'node:events';
import { connect as dialRaw } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { GATEWAYS } from '../../../src/chat/chat.module.js';
import { eventsOf } from '../../../src/chat/protocol/chat-event.decorator.js';
import { createConversation, connectUsers, type Frame, V2 } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

it('unsolicited pongs count as frames and close the connection with 4429', async () => {
  const [client] = await connectUsers(t, 1);
  for (let i = 0; i < 1_000; i++) client!.socket.pong();
  expect(await client!.end()).toEqual([4429, 'rate limited']);
});

it('pings count as frames and close the connection with 4429', async () => {
  const [client] = await connectUsers(t, 1);
  const end = client!.end();
  for (let i = 0; i < 100 && !client!.closed; i++) {
    for (let j = 0; j < 10; j++) client!.socket.ping();
    await Promise.race([once(client!.socket, 'pong'), end]);
  }
  expect(await end).toEqual([4429, 'rate limited']);
});

it('a client that keeps sending after the close frame is disconnected', async () => {
  const socket = dialRaw(t.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const request = [
    'GET /api/ws HTTP/1.1',
    'host: x',
    'upgrade: websocket',
    'connection: Upgrade',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    '',
    '',
  ];
  const pong = [0x8a, 0x80, 1, 2, 3, 4];
  const start = performance.now();
  socket.write(request.join('\r\n'));
  socket.write(Buffer.from(Array.from({ length: 5_000 }, () => pong).flat()));
  await once(socket, 'close');
  expect(performance.now() - start).toBeLessThan(2_000); // the close timeout is 3 seconds
});

it('get_messages is refused above the read quota while send_message still works', async () => {
  t.clock.set(Date.now());
  const [one, two] = await connectUsers(t, 2);
  const conversation_id = await createConversation(one!, two!);
  const content = '🏮'.repeat(15_000);
  for (let i = 0; i < 100; i++) {
    await one!.get('send_message', { conversation_id, content });
    await two!.next();
  }
  const fetch = () => one!.ask('get_messages', { conversation_id });
  let pages = 0;
  while ((await fetch())['success'] === true && pages < 20) pages++;
  expect(pages).toBeGreaterThan(1);
  expect(pages).toBeLessThan(6);
  expect(await fetch()).toMatchObject({ type: 'get_messages', error: expect.stringContaining('wait') });
  await one!.expectNoFrame();
  await one!.get('send_message', { conversation_id, content: 'still here' });
  await two!.next();
  expect(await two!.ask('get_conversations')).toMatchObject({ success: true });
  t.clock.advance(30_000);
  expect(await fetch()).toMatchObject({ success: true });
  t.clock.run();
});

/** The most frames that a victim may get, or entries in a list, from a client that sends one request without a pause. */
const REACHING: Record<string, number> = {
  create_conversation: 60,
  add_contact: 1,
  send_message: 400,
  remove_member: 1,
  leave: 2, // and who is the owner now
  typing: 1,
};

it.each(GATEWAYS.flatMap(eventsOf).map(({ type }) => type))(
  '%s sent 1,000 times at full speed does not keep a victim from being answered, and reaches the victim in bounds',
  async (type) => {
    const [attacker, victim] = await connectUsers(t, 2, V2);
    const id = await createConversation(attacker!, victim!);
    const names = { username: victim!.username, contact_username: victim!.username, members: [victim!.username] };
    const frame: Frame = { type, ...names, id, conversation_id: id, content: 'x' };
    for (let i = 0; i < 1_000; i++) attacker!.send(frame);
    victim!.send({ type: 'self', request_id: 'during' });
    const answer = () => victim!.frames.find(({ request_id }) => request_id === 'during');
    await expect.poll(answer).toMatchObject({ success: true, type: 'self' });
    // Handled slowly, the frames may stay below the limit on frames; 1006: the client went on after the close frame.
    if (attacker!.closed) expect([4429, 1006]).toContain(attacker!.closed[0]);
    attacker!.socket.terminate();
    const forced = victim!.frames.filter(({ request_id }) => request_id === undefined).length - 3; // hello, ping, conversation
    expect(forced).toBeLessThanOrEqual(REACHING[type] ?? 0);
    await victim!.close();
  },
);
