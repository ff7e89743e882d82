import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { ALLOWED_ORIGINS: 'https://front.example,https://other.example', TRUST_PROXY: '' } });
});
afterAll(() => t.stop());

const json = { 'content-type': 'application/json' };
const post = (body: string, headers: Record<string, string> = json) =>
  t.request('POST', '/api/users', { body, headers });

/** Sends bytes as they are; answers what comes back until the server closes, and after how many milliseconds. */
async function raw(port: number, ...chunks: string[]): Promise<{ text: string; ms: number }> {
  const start = Date.now();
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  for (const chunk of chunks) socket.write(chunk);
  await once(socket, 'close');
  return { text, ms: Date.now() - start };
}

describe('bodies', () => {
  const nested = (depth: number) => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1);
  const keys = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 0])));

  it.each([
    ['that are not JSON', '{bad', 400, 'malformed_json'],
    ['that are cut short', '{"username":"x"', 400, 'malformed_json'],
    ['that are empty text', '""', 400, 'malformed_json'],
    ['that are a number', '5', 400, 'malformed_json'],
    ['that are null', 'null', 400, 'malformed_json'],
    ['that are a list', '[{"username":"listed","password":"x","fullname":"x"}]', 422, 'validation_failed'],
    ['that are an empty list', '[]', 422, 'validation_failed'],
    ['nested 33 deep', nested(33), 400, 'body_too_complex'],
    ['nested 15,000 deep', nested(15_000), 400, 'body_too_complex'],
    ['of lists nested 50,000 deep', '['.repeat(50_000) + ']'.repeat(50_000), 400, 'body_too_complex'],
    ['nested 32 deep', nested(32), 422, 'validation_failed'],
    ['of 1,001 keys', keys(1001), 400, 'body_too_complex'],
    ['of 1,000 keys', keys(1000), 422, 'validation_failed'],
    ['with NUL in a value', '{"username":"a\\u0000b"}', 400, 'invalid_text'],
    ['with NUL in a key', '{"a\\u0000":1}', 400, 'invalid_text'],
    ['with half a surrogate pair', '{"fullname":"\\ud800"}', 400, 'invalid_text'],
    ['with half a surrogate pair deep inside', '{"a":[{"b":"\\udc00"}]}', 400, 'invalid_text'],
    ['with __proto__', '{"__proto__":{"is_active":true}}', 422, 'validation_failed'],
    ['with constructor', '{"constructor":{"prototype":{"x":1}}}', 422, 'validation_failed'],
    ['of more than 100 KB', JSON.stringify({ username: 'x'.repeat(102_400) }), 413, 'body_too_large'],
  ])('%s are refused', async (_, body, status, code) => {
    expect((await post(body)).body).toMatchObject({ status, code });
  });

  it('without content fail as an empty object does', async () => {
    expect((await t.request('POST', '/api/users')).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/xml',
    'application/json; charset=latin1',
    'nonsense',
  ])('of type %s are refused', async (type) => {
    const answer = await post('username=a&password=b', { 'content-type': type });
    expect(answer.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('that are compressed are refused, whatever they hold', async () => {
    const response = await fetch(`${t.url}/api/users`, {
      method: 'POST',
      headers: { ...json, 'content-encoding': 'gzip' },
      body: gzipSync(`"${'x'.repeat(50_000_000)}"`),
    });
    expect(response.status).toBe(415);
  });

  it('that are no UTF-8 are refused', async () => {
    const response = await fetch(`${t.url}/api/users`, {
      method: 'POST',
      headers: json,
      body: Buffer.from('{"fullname":"\xff"}', 'latin1'),
    });
    expect(await response.json()).toMatchObject({ status: 400, code: 'invalid_text' });
  });

  it('that come in chunks are bounded too, and answered before their end', async () => {
    const chunk = `2000\r\n${' '.repeat(0x2000)}\r\n`;
    const head =
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const { text } = await raw(t.port, head, ...Array.from({ length: 14 }, () => chunk));
    expect(text).toContain('"code":"body_too_large"');
  });
});

describe('paths and queries', () => {
  it.each([
    ['/api/nothing', 404, 'route_not_found'],
    ['/nothing', 404, 'route_not_found'],
    ['/api/users/%E0%A4%A', 400, 'invalid_text'],
    ['/api/users?q=%ED%A0%80', 400, 'invalid_text'],
    ['/api/users?toString=1', 422, 'validation_failed'],
    ['/api/users?q=%00', 400, 'invalid_text'],
    ['/api/users/..%2f..%2fetc', 400, 'invalid_id'],
    ['/docs', 404, 'route_not_found'],
    ['/', 404, 'route_not_found'],
  ])('%s → %i %s', async (path, status, code) => {
    expect((await t.request('GET', path, { token: await t.asAdmin() })).body).toMatchObject({ status, code });
  });
});

describe('every answer', () => {
  it.each(['/api/misc/ping', '/api/users/me', '/nothing', '/api/health'])(
    'of %s carries a request id and no name of software',
    async (path) => {
      const [one, two] = [
        await t.request('GET', path),
        await t.request('GET', path, { headers: { 'x-request-id': 'mine' } }),
      ];
      expect(one.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(two.headers.get('x-request-id')).not.toBe(one.headers.get('x-request-id'));
      expect(two.headers.get('x-request-id')).not.toBe('mine');
      expect(one.headers.has('x-powered-by')).toBe(false);
      expect(one.headers.get('x-content-type-options')).toBe('nosniff');
      expect(one.headers.get('content-security-policy')).toContain("default-src 'none'");
    },
  );

  it('about somebody is kept by no cache', async () => {
    const answer = await t.request('GET', '/api/users/me', { token: await t.asAdmin() });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('has its log line, with the same id and no query', async () => {
    const answer = await t.request('GET', '/api/users?q=secret-thing', { token: await t.asAdmin() });
    const line = t.logLines.find((text) => text.includes(answer.headers.get('x-request-id')!));
    expect(JSON.parse(line!)).toMatchObject({
      method: 'GET',
      path: '/api/users',
      status: 200,
      ip: '127.0.0.1',
      user_id: expect.any(String),
    });
    expect(t.logLines.join('')).not.toContain('secret-thing');
  });
});

describe('other origins', () => {
  const preflight = (origin: string) =>
    t.request('OPTIONS', '/api/users', {
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });

  it('are let in when configured', async () => {
    const { headers } = await preflight('https://front.example');
    expect(headers.get('access-control-allow-origin')).toBe('https://front.example');
    expect(headers.get('vary')).toContain('Origin');
    const answer = await t.request('GET', '/api/misc/ping', { headers: { origin: 'https://other.example' } });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://other.example');
  });

  it.each([
    'https://evil.example',
    'https://front.example.evil.example',
    'http://front.example',
    'null',
    'https://FRONT.example',
  ])('are not let in otherwise: %s', async (origin) => {
    for (const answer of [await preflight(origin), await t.request('GET', '/api/misc/ping', { headers: { origin } })]) {
      expect(answer.headers.has('access-control-allow-origin')).toBe(false);
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });
});

describe('proxies', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' };
  const lastIp = (app: TestApp) => (JSON.parse(app.logLines.at(-1)!) as { ip: string }).ip;

  it('are not believed unless configured', async () => {
    await t.request('GET', '/api/misc/ping', { headers: forwarded });
    await expect.poll(() => lastIp(t)).toBe('127.0.0.1');
  });

  it('are believed as far as configured', async () => {
    const behind = await startApp({ env: { TRUST_PROXY: '127.0.0.1, 198.51.100.0/24' } });
    await behind.request('GET', '/api/misc/ping', { headers: forwarded });
    await expect.poll(() => lastIp(behind)).toBe('203.0.113.9');
    await behind.stop();
  });
});

describe('what never becomes a request', () => {
  it.each([
    ['no host', 'GET /api/misc/ping HTTP/1.1\r\n\r\n', 400, 'bad_request'],
    [
      'a host that is none',
      'GET http://[::1/api/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      404,
      'route_not_found',
    ],
    [
      'an expectation',
      'GET / HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\nconnection: close\r\n\r\n',
      400,
      'bad_request',
    ],
    ['a tunnel', 'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'bad_request'],
    ['noise', 'hello\r\n\r\n', 400, 'bad_request'],
    [
      'two lengths',
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde',
      400,
      'bad_request',
    ],
    [
      'a length and chunks',
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad_request',
    ],
    ['huge headers', `GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ])('%s', async (_, bytes, status, code) => {
    const { text } = await raw(t.port, bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain('content-type: application/problem+json');
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({ status, code, request_id: expect.any(String) });
  });

  it('headers that take too long', async () => {
    const quick = await startApp();
    quick.app.getHttpServer().headersTimeout = 200; // ten seconds elsewhere; the check itself runs every second
    const { text, ms } = await raw(quick.port, 'GET / HTTP/1.1\r\nhost:');
    expect(text).toContain('"code":"request_timeout"');
    expect(ms).toBeLessThan(5000);
    await quick.stop();
  });

  it('a body that takes too long', async () => {
    const quick = await startApp();
    Object.assign(quick.app.getHttpServer() as object, { headersTimeout: 100, requestTimeout: 200 });
    const { text } = await raw(
      quick.port,
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{',
    );
    expect(text).toContain('"code":"request_timeout"');
    await quick.stop();
  });

  it('a body that breaks off, or is no body, is answered at once', async () => {
    const head =
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const { text, ms } = await raw(t.port, head, 'ZZ\r\n');
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(ms).toBeLessThan(5000);
  });

  it('clients that ask for a tunnel and vanish do no harm', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = connect(t.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    expect((await t.request('GET', '/api/misc/ping')).text).toBe('pong');
  });

  it('clients that do not hang up are hung up on', async () => {
    const open = (): Promise<number> =>
      new Promise((resolve) => t.app.getHttpServer().getConnections((_: unknown, count: number) => resolve(count)));
    const before = await open();
    const sockets = Array.from({ length: 5 }, () => connect({ port: t.port, host: '127.0.0.1', allowHalfOpen: true }));
    for (const socket of sockets) socket.on('error', () => undefined).write('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n');
    await expect.poll(open).toBeGreaterThan(before);
    await expect.poll(open).toBeLessThanOrEqual(before);
    for (const socket of sockets) socket.destroy();
  });

  it('time-outs are ten and thirty seconds', () => {
    const { headersTimeout, requestTimeout } = t.app.getHttpServer() as {
      headersTimeout: number;
      requestTimeout: number;
    };
    expect([headersTimeout, requestTimeout]).toEqual([10_000, 30_000]);
  });
});

it('hashing leaves room for others: reads stay quick while sign-ins wait in line', async () => {
  const dear = await startApp({ env: { BCRYPT_COST: '10' } });
  const token = await dear.asAdmin();
  const signIns = Array.from({ length: 20 }, () =>
    dear.request('POST', '/api/sessions', { body: { login: 'admin', password: PASSWORD } }),
  );
  const order: string[] = [];
  await Promise.all([
    Promise.all(signIns).then(() => order.push('sign-ins')),
    dear.request('GET', '/api/users/me', { token }).then(() => order.push('read')),
  ]);
  expect(order).toEqual(['read', 'sign-ins']);
  await dear.stop();
});

it('hashing has a bounded line: beyond it 503, with when to come back', async () => {
  const dear = await startApp({ env: { BCRYPT_COST: '10' } });
  const attempts = Array.from({ length: 130 }, (_, i) =>
    dear.request('POST', '/api/sessions', { body: { login: `n${i}`, password: 'x' } }),
  );
  const answers = await Promise.all(attempts);
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]!.body['code']).toBe('busy');
  expect(refused[0]!.headers.get('retry-after')).toBe('2');
  expect(answers.filter(({ status }) => status !== 503).every(({ status }) => status === 401)).toBe(true);
  await dear.stop();
});
