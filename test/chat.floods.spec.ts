import { once } from 'node:events';
import { connect as dialRaw } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from './app.js';
import { people } from './chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

it('pongs that nobody asked for count as frames', async () => {
  const [client] = await people(t, 1);
  for (let i = 0; i < 1_000; i++) client!.socket.pong();
  expect(await client!.end()).toEqual([4429, 'rate limited']);
});

it('so do pings', async () => {
  const [client] = await people(t, 1);
  const end = client!.end();
  for (let i = 0; i < 100 && !client!.closed; i++) {
    for (let j = 0; j < 10; j++) client!.socket.ping();
    await Promise.race([once(client!.socket, 'pong'), end]);
  }
  expect(await end).toEqual([4429, 'rate limited']);
});

it('whoever goes on after the farewell is cut off', async () => {
  const socket = dialRaw(t.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const request = ['GET /api/ws HTTP/1.1', 'host: x', 'upgrade: websocket', 'connection: Upgrade', 'sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', '', '']; // prettier-ignore
  const pong = [0x8a, 0x80, 1, 2, 3, 4];
  const start = performance.now();
  socket.write(request.join('\r\n'));
  socket.write(Buffer.from(Array.from({ length: 5_000 }, () => pong).flat()));
  await once(socket, 'close');
  expect(performance.now() - start).toBeLessThan(2_000); // the farewell is waited for a second longer
});
