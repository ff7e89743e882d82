import { once } from 'node:events';
import { connect as dialRaw, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, createConversation, dial, connectUsers } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { ALLOWED_ORIGINS: 'https://front.example', RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

const root = { success: false, type: 'root', error: expect.stringMatching(/^.{5,}$/) };
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('a frame without a known type', () => {
  let client: ChatClient;
  beforeAll(async () => {
    [client] = (await connectUsers(t, 1)) as [ChatClient];
  });

  it.each([
    ['text that is not JSON', '{bad'],
    ['an empty text', ''],
    ['a list', '[{"type":"ping"}]'],
    ['null', 'null'],
    ['a number', '5'],
    ['a string', '"ping"'],
    ['lists 30,000 deep', nested(30_000)],
    ['objects 10,000 deep', '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)],
    ['no type', '{}'],
    ['a type that is a number', '{"type":5}'],
    ['a type that is null', '{"type":null}'],
    ['a type that is a list', '{"type":["ping"]}'],
    ['a type that is an object', '{"type":{"toString":"ping"}}'],
    ['an unknown type', '{"type":"nothing"}'],
    ['user_status, which only the server sends', '{"type":"user_status"}'],
    ['root', '{"type":"root"}'],
    ['__proto__ as type', '{"type":"__proto__"}'],
    ['constructor as type', '{"type":"constructor"}'],
    ['toString as type', '{"type":"toString"}'],
    ['a type in __proto__', '{"__proto__":{"type":"ping"}}'],
    ['NUL in the type', '{"type":"ping\\u0000"}'],
    ['a binary frame', Buffer.from('{"type":"ping"}')],
    ['an empty binary frame', Buffer.alloc(0)],
  ])('(%s) is answered with a root error and keeps the connection open', async (_, frame) => {
    client.send(frame);
    expect(await client.next()).toEqual(root);
    await client.expectNoFrame();
  });

  it('sets no field by a __proto__ member', async () => {
    client.send('{"type":"send_message","__proto__":{"conversation_id":1,"content":"x"}}');
    expect(await client.next()).toMatchObject({ success: false, type: 'send_message' });
    client.send('{"type":"ping","__proto__":{"request_id":"x"},"constructor":1}');
    expect(await client.next()).toEqual({ success: true, type: 'ping', data: 'pong' });
  });
});

/** A connection over which tests write raw bytes. */
class RawClient {
  bytes: Buffer = Buffer.alloc(0);
  isClosed = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => undefined);
  }

  /** The close code that was received, if any. */
  get code(): number | undefined {
    for (const { opcode, payload } of this.received()) if (opcode === 8) return payload.readUInt16BE(0);
    return undefined;
  }

  get texts(): string[] {
    return this.received().flatMap(({ opcode, payload }) => (opcode === 1 ? [payload.toString()] : []));
  }

  get pongs(): string[] {
    return this.received().flatMap(({ opcode, payload }) => (opcode === 10 ? [payload.toString()] : []));
  }

  private received(): { opcode: number; payload: Buffer }[] {
    const frames: { opcode: number; payload: Buffer }[] = [];
    for (let at = 0; at + 2 <= this.bytes.length;) {
      const short = this.bytes[at + 1]! & 127;
      const start = short === 126 ? at + 4 : at + 2;
      const end = start + (short === 126 ? this.bytes.readUInt16BE(at + 2) : short);
      if (end > this.bytes.length) break;
      frames.push({ opcode: this.bytes[at]! & 15, payload: this.bytes.subarray(start, end) });
      at = end;
    }
    return frames;
  }
}

const HANDSHAKE = [
  'upgrade: websocket',
  'connection: Upgrade',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Sends an upgrade request. Returns the client and the head of the response. */
async function upgrade(path: string, headers: string[], method = 'GET'): Promise<[RawClient, string]> {
  const socket = dialRaw(t.port, '127.0.0.1');
  const [chunk] = (socket.write(`${method} ${path} HTTP/1.1\r\nhost: x.example\r\n${headers.join('\r\n')}\r\n\r\n`),
  await once(socket, 'data')) as [Buffer];
  const end = chunk.indexOf('\r\n\r\n') + 4;
  const client = new RawClient(socket);
  client.bytes = chunk.subarray(end);
  return [client, chunk.subarray(0, end).toString()];
}

async function raw(): Promise<RawClient> {
  const { token } = await t.user();
  const [client, head] = await upgrade('/api/ws', [...HANDSHAKE, `authorization: Bearer ${token}`]);
  expect(head).toContain('101');
  return client;
}

const MASK = Buffer.from([1, 2, 3, 4]);

function masked(first: number, payload: string | Buffer, length = Buffer.byteLength(payload)): Buffer {
  const bytes = Buffer.from(payload).map((byte, i) => byte ^ MASK[i % 4]!);
  const header = Buffer.from(length < 126 ? [first, 0x80 | length] : [first, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (length >= 126) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, MASK, bytes]);
}

const [TEXT, MORE_TEXT, MORE, LAST, PING, CLOSE] = [0x81, 0x01, 0x00, 0x80, 0x89, 0x88];

describe('the WebSocket protocol', () => {
  it('accepts a fragmented frame with pings in between', async () => {
    const client = await raw();
    for (const part of [
      masked(MORE_TEXT, '{"ty'),
      masked(PING, 'one'),
      masked(MORE, ''),
      masked(MORE, 'pe":"pi'),
      masked(PING, 'two'),
      masked(LAST, 'ng"}'),
    ]) {
      client.socket.write(part);
    }
    await expect.poll(() => client.texts).toEqual(['{"success":true,"type":"ping","data":"pong"}']);
    expect(client.pongs).toEqual(['one', 'two']);
    client.socket.destroy();
  });

  it('accepts a frame that arrives byte by byte', async () => {
    const client = await raw();
    client.socket.setNoDelay(true);
    for (const byte of masked(TEXT, '{"type":"ping"}')) client.socket.write(Buffer.from([byte]));
    await expect.poll(() => client.texts).toHaveLength(1);
    client.socket.destroy();
  });

  it('accepts a frame of 1 MiB', async () => {
    const client = await raw();
    const text = '{"type":"ping","x":""}';
    client.socket.write(masked(TEXT, text.replace('""', `"${'x'.repeat(1_048_576 - text.length)}"`)));
    await expect.poll(() => client.texts).toEqual(['{"success":true,"type":"ping","data":"pong"}']);
    client.socket.destroy();
  });

  it.each([
    ['1 MiB and one byte', [masked(TEXT, ' '.repeat(1_048_577))], 1009],
    ['ten megabytes that stall', [masked(TEXT, '{"type":', 10_000_000)], 1009],
    ['fragments of more than 1 MiB', [masked(MORE_TEXT, ' '.repeat(600_000)), masked(LAST, ' '.repeat(600_000))], 1009],
    ['no mask', [Buffer.from([TEXT, 2, 0x7b, 0x7d])], 1002],
    ['a reserved bit', [masked(TEXT | 0x40, '{}')], 1002],
    ['an unknown opcode', [masked(0x83, '{}')], 1002],
    ['a continuation of nothing', [masked(LAST, '{}')], 1002],
    ['a text within a text', [masked(MORE_TEXT, '{'), masked(TEXT, '{}')], 1002],
    ['a ping in fragments', [masked(0x09, 'x')], 1002],
    ['a ping of 126 bytes', [Buffer.from([PING, 0xfe, 0, 126, 1, 2, 3, 4])], 1002],
    ['invalid UTF-8', [masked(TEXT, Buffer.from('{"type":"\xff"}', 'latin1'))], 1007],
    ['half a surrogate pair', [masked(TEXT, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))], 1007],
    ['a reserved close code', [masked(CLOSE, Buffer.from([0x03, 0xee]))], 1002],
    ['2,000 empty fragments', Array.from({ length: 2_000 }, (_, i) => masked(i === 0 ? MORE_TEXT : MORE, '')), 1008],
  ])('%s closes the connection with the documented code', async (_, parts, code) => {
    const client = await raw();
    for (const part of parts) client.socket.write(part);
    await expect.poll(() => client.code).toBe(code);
    client.socket.destroy();
    expect((await t.request('GET', '/api/misc/ping')).status).toBe(200);
  });

  it('answers a close frame with the same code', async () => {
    const client = await raw();
    client.socket.write(masked(CLOSE, Buffer.from([0x03, 0xe8])));
    await expect.poll(() => [client.code, client.isClosed]).toEqual([1000, true]);
  });
});

describe('the upgrade', () => {
  it.each([
    ['a plain GET', '/api/ws', [], 400, 'websocket_required'],
    ['a request without a key', '/api/ws', HANDSHAKE.slice(0, 3), 400, 'websocket_required'],
    [
      'another protocol version',
      '/api/ws',
      [...HANDSHAKE.slice(0, 2), 'sec-websocket-version: 7', HANDSHAKE[3]!],
      400,
      'websocket_required',
    ],
    ['an upgrade of another route', '/api/users', HANDSHAKE, 404, 'route_not_found'],
    ['an upgrade of /', '/', HANDSHAKE, 404, 'route_not_found'],
    ['a foreign origin', '/api/ws', [...HANDSHAKE, 'origin: https://evil.example'], 403, 'foreign_origin'],
    [
      'a foreign origin that starts like an allowed one',
      '/api/ws',
      [...HANDSHAKE, 'origin: https://front.example.evil.example'],
      403,
      'foreign_origin',
    ],
    ['the origin null', '/api/ws', [...HANDSHAKE, 'origin: null'], 403, 'foreign_origin'],
  ])('refuses %s before the upgrade', async (_, path, headers, status, code) => {
    const [client, head] = await upgrade(path, headers);
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('application/problem+json');
    await expect.poll(() => client.bytes.toString()).toContain(`"code":"${code}"`);
    client.socket.destroy();
  });

  it.each(['https://front.example', 'http://x.example'])('accepts the origin %s', async (origin) => {
    const [client, head] = await upgrade('/api/ws?v=1', [...HANDSHAKE, `origin: ${origin}`]);
    expect(head).toContain('101 Switching Protocols');
    expect(head).not.toContain('sec-websocket-extensions');
    client.socket.destroy();
  });

  it('to HTTP/2 is ignored, and the request is answered over HTTP/1.1', async () => {
    const h2c = ['upgrade: h2c', 'connection: Upgrade, HTTP2-Settings', 'http2-settings: AAMAAABkAAQ'];
    const [get, head] = await upgrade('/api/misc/ping', h2c);
    expect(head).toMatch(/^HTTP\/1.1 200 /);
    get.socket.destroy();
    const body = '{"login":"unknown","password":"wrong"}';
    const entity = ['content-type: application/json', `content-length: ${body.length}`];
    const socket = dialRaw(t.port, '127.0.0.1');
    socket.write(`POST /api/sessions HTTP/1.1\r\nhost: x\r\n${[...h2c, ...entity].join('\r\n')}\r\n\r\n${body}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 401 /);
    socket.destroy();
  });
});

it('clients that disconnect during the upgrade do not affect other connections', async () => {
  for (let i = 0; i < 50; i++) {
    const socket = dialRaw(t.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET /api/ws HTTP/1.1\r\nhost: x\r\n${HANDSHAKE.join('\r\n')}\r\n\r\n`);
    socket.destroy();
  }
  const [client] = await connectUsers(t, 1);
  await client!.expectNoFrame();
});

describe('limits', () => {
  const burst = (client: ChatClient, count: number, frame: object | string): void => {
    for (let i = 0; i < count; i++) client.send(frame);
  };

  it('frames above the limit are answered with errors, then close the connection with 4429', async () => {
    const [client] = await connectUsers(t, 1);
    burst(client!, 1200, { type: 'ping' });
    expect(await client!.end()).toEqual([4429, 'rate limited']);
    const refused = client!.frames.findIndex(({ success }) => success === false);
    expect(refused).toBeGreaterThan(400);
    expect(client!.frames[refused]).toMatchObject({
      success: false,
      type: 'ping',
      error: expect.stringContaining('wait'),
    });
    expect(client!.frames.slice(refused).filter(({ success }) => !success).length).toBeGreaterThan(100);
  });

  it('messages are counted over all connections of a user', async () => {
    const user = await t.user();
    const [one, two] = [await connect(t, user), await connect(t, user)];
    const id = await createConversation(one);
    await two.next();
    t.clock.set(Date.now()); // so that the limit does not refill while they are handled
    burst(one, 200, { type: 'send_message', conversation_id: id, content: 'x' });
    burst(two, 200, { type: 'send_message', conversation_id: id, content: 'y' });
    const answers = (isGood: boolean) =>
      [one, two].flatMap(({ frames }) => frames.filter((f) => f['type'] === 'send_message' && f['success'] === isGood));
    await expect.poll(() => answers(false).length).toBe(100);
    await expect.poll(() => answers(true).length).toBe(600); // 300 to both
    t.clock.run();
    await Promise.all([one.close(), two.close()]);
  });

  it('200 invalid frames close the connection with 4400', async () => {
    const [client] = await connectUsers(t, 1);
    burst(client!, 400, 'nonsense');
    expect(await client!.end()).toEqual([4400, 'too many frames that make no sense']);
    expect(client!.frames.filter(({ type }) => type === 'root').length).toBe(200);
  });

  it('the 21st connection of a user is closed with 4409', async () => {
    const user = await t.user();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, user)));
    await Promise.all(clients.map((client) => client.expectNoFrame()));
    expect(await dial(t, user).end()).toEqual([4409, 'too many connections']);
    await clients[0]!.close();
    await (await connect(t, user)).expectNoFrame();
    await Promise.all(clients.map((client) => client.close()));
  });

  it('the 201st connection of a network is closed with 4409', async () => {
    const gate = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
    const from = (address: string, user: SignedInUser) => {
      const headers = { authorization: `Bearer ${user.token}`, 'x-forwarded-for': address };
      return dial(gate, user, { headers });
    };
    const clients: ChatClient[] = [];
    let user: SignedInUser;
    for (let i = 0; i < 10; i++) {
      user = await gate.user();
      const twenty = Array.from({ length: 20 }, () => from('192.0.2.1', user));
      await Promise.all(twenty.map(({ socket }) => once(socket, 'open')));
      await Promise.all(twenty.map((client) => client.expectNoFrame()));
      clients.push(...twenty);
    }
    user = await gate.user();
    expect(await from('192.0.2.1', user).end()).toEqual([4409, 'too many connections']);
    const elsewhere = from('192.0.2.2', user);
    await once(elsewhere.socket, 'open');
    await elsewhere.expectNoFrame();
    await clients[0]!.close();
    const next = from('192.0.2.1', user);
    await once(next.socket, 'open');
    await next.expectNoFrame();
    await once(from('no address', user).socket, 'open');
    await gate.stop();
  });

  it('RATE_LIMITS=off lifts all limits', async () => {
    const free = await startApp({ env: { RATE_LIMITS: 'off' } });
    const user = await free.user();
    const clients = await Promise.all(Array.from({ length: 25 }, () => connect(free, user)));
    await Promise.all(clients.map((client) => client.expectNoFrame()));
    const before = clients[0]!.frames.length;
    burst(clients[0]!, 1500, { type: 'ping' });
    await expect.poll(() => clients[0]!.frames.length).toBe(before + 1500);
    expect(clients[0]!.frames.every(({ success }) => success)).toBe(true);
    await free.stop();
  });
});
