import { Logger } from '@nestjs/common';
import { generateKeyPairSync } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ConnectionsService } from '../../src/chat/connections/connections.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { connect as connectChat, dial } from '../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const SIGNING_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback', SIGNING_KEY } });
});
afterAll(() => t.stop());

const UPGRADE = [
  'GET /api/ws HTTP/1.1',
  'host: x.example',
  'upgrade: websocket',
  'connection: Upgrade',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Sends the request and resets the connection at once, so that the server works on a socket without a peer. */
async function resetBehind(request: string): Promise<void> {
  const socket = connect(t.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('connect', () => {
    socket.write(request);
    socket.resetAndDestroy();
  });
  await new Promise((resolve) => socket.once('close', resolve));
}

it('an upgrade followed by a connection reset throws nothing and leaves no connection behind', async () => {
  const { token } = await t.user();
  const errors: unknown[] = [];
  const note = (error: unknown): unknown => errors.push(error);
  process.on('uncaughtException', note);
  for (const headers of [[], [`authorization: Bearer ${token}`]]) {
    for (let i = 0; i < 100; i++) await resetBehind(`${[...UPGRADE, ...headers].join('\r\n')}\r\n\r\n`);
  }
  await expect.poll(() => t.app.get(ConnectionsService).all.length).toBe(0);
  await sleep(10);
  process.off('uncaughtException', note);
  expect(errors).toEqual([]);
  expect([...t.app.get(ConnectionsService).sessions()]).toEqual([]);
  await (await connectChat(t, { token })).close();
});

it.each(['203.0.113.9:5000', '[2001:db8::1]:5000', 'unknown', 'a, b', ',', '2001:db8::1%eth0'])(
  'an upgrade is accepted with X-Forwarded-For: %s',
  async (address) => {
    const { token } = await t.user();
    const headers = { 'x-forwarded-for': address };
    expect(await dial(t, {}, { headers }).end()).toEqual([4401, 'login-token required']);
    const client = dial(t, {}, { headers: { ...headers, authorization: `Bearer ${token}` } });
    client.socket.once('open', () => client.send({ type: 'ping' }));
    expect(await client.next()).toMatchObject({ type: 'ping', success: true });
    await client.close();
  },
);

it.each([
  ['an invalid key', (lines: string[]) => [...lines.slice(0, 5), 'sec-websocket-key: abc']],
  ['two keys', (lines: string[]) => [...lines, lines[5]!]],
  ['an invalid subprotocol', (lines: string[]) => [...lines, 'sec-websocket-protocol: ,;']],
])('an upgrade with %s is answered with 400 and problem+json', async (_, change) => {
  const socket = connect(t.port, '127.0.0.1');
  socket.write(`${change(UPGRADE).join('\r\n')}\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain('"code":"websocket_required"');
});

it.each([
  ['a foreign origin', { origin: 'https://evil.example' }, 'Refused an upgrade: 403 foreign_origin'],
  ['no token', {}, 'Refused a connection: 4401 login-token required'],
  ['an invalid token', { authorization: 'Bearer a.b.c' }, 'Refused a connection: 4401 invalid login-token'],
])('a refused upgrade with %s leaves a log line with reason, Origin and Host', async (_, headers, reason) => {
  const lines: unknown[] = [];
  for (const level of ['log', 'warn'] as const) {
    vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => void lines.push(line));
  }
  const own = `"127.0.0.1:${t.port}"`;
  await dial(t, {}, { headers: { host: own.slice(1, -1), ...headers } }).end();
  const origin = 'origin' in headers ? '"https://evil.example"' : 'none';
  expect(lines).toContain(`${reason} (Origin ${origin}, Host ${own})`);
  vi.restoreAllMocks();
});

it('the log line of a refused upgrade quotes and cuts what the client chose', async () => {
  const lines: string[] = [];
  vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => void lines.push(String(line)));
  const origin = `https://evil.example/"\u001b[31m${'x'.repeat(1_000)}`;
  await dial(t, {}, { headers: { origin: origin.replace('\u001b', '\t') } }).end();
  const line = lines.find((text) => text.includes('foreign_origin'));
  expect(line).toContain('\\"\\t[31m');
  expect(line!.length).toBeLessThan(400);
  vi.restoreAllMocks();
});
