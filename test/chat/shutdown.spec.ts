import { once } from 'node:events';
import { connect as dialRaw, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { connect } from '../support/clients/chat-client.js';

const REQUEST = [
  'GET /api/ws HTTP/1.1',
  'host: x',
  'upgrade: websocket',
  'connection: Upgrade',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Opens a connection that reads and never answers, not even a close frame. */
async function openSilentClient({ port }: TestApp, token: string): Promise<Socket> {
  const socket = dialRaw(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write([...REQUEST, `authorization: Bearer ${token}`, '', ''].join('\r\n'));
  await once(socket, 'data');
  return socket.resume();
}

it('clients that do not answer the close frame do not delay closing the others', async () => {
  const t = await startApp();
  const { token } = await t.user();
  for (let i = 0; i < 150; i++) await openSilentClient(t, token);
  const client = await connect(t, { token });
  const start = performance.now();
  const stopped = t.stop();
  expect(await client.end()).toEqual([1012, 'restarting']);
  expect(performance.now() - start).toBeLessThan(3_000); // the close timeout of one client
  await stopped;
});
