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
async function openSilentClient({ port }: TestApp, header: string): Promise<Socket> {
  const socket = dialRaw(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write([...REQUEST, header, '', ''].join('\r\n'));
  await once(socket, 'data');
  return socket.resume();
}

it('clients that do not answer the close frame do not delay closing the others', async () => {
  const t = await startApp();
  const { token } = await t.user();
  for (let i = 0; i < 150; i++) await openSilentClient(t, `authorization: Bearer ${token}`);
  const client = await connect(t, { token });
  const start = performance.now();
  const stopped = t.stop();
  expect(await client.end()).toEqual([1012, 'restarting']);
  expect(performance.now() - start).toBeLessThan(3_000); // the close timeout of one client
  await stopped;
});

it('a client that is closed for its first frame, and does not answer the close frame, does not keep the server from stopping', async () => {
  const t = await startApp();
  const socket = await openSilentClient(t, 'sec-websocket-protocol: machi.v2');
  const closed = once(socket, 'data');
  const emptyObject = [0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d]; // the text {}, masked with zeros
  socket.write(Buffer.from(emptyObject));
  const [bytes] = (await closed) as [Buffer];
  expect(bytes[0]).toBe(0x88); // a close frame
  await t.stop();
});
