import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createOpenApiDocument } from '../../src/http/openapi/swagger.js';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { socketUrl } from '../support/clients/chat-client.js';
import { call, canUpload, formOf, startUpload } from '../support/files/images.js';
import { newNetwork, statuses } from '../support/rate-limits.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
});
afterAll(() => t.stop());

it('POST /api/users answers 429 after a hundred registrations of a network in ten minutes', async () => {
  const from = newNetwork();
  t.clock.set(Date.now());
  const register = (password: string) =>
    t.request('POST', '/api/users', {
      body: { username: `u${randomUUID().slice(0, 8)}`, fullname: 'U', password },
      headers: { 'x-forwarded-for': from },
    });
  expect(await statuses(100, () => register('short'))).not.toContain(429);
  const refused = await register(PASSWORD);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '600']);
  t.clock.advance(600_000);
  expect((await register(PASSWORD)).status).toBe(201);
});

it('POST /api/users answers 429 after a thousand registrations of an IPv6 /48 in ten minutes', async () => {
  t.clock.set(Date.now());
  const register = (i: number) =>
    t.request('POST', '/api/users', { body: {}, headers: { 'x-forwarded-for': `2001:db8:77:${i.toString(16)}::1` } });
  for (let i = 0; i < 1000; i += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, j) => register((i + j) % 11)));
    expect(answers.filter(({ status }) => status !== 422)).toEqual([]);
  }
  const refused = await register(12);
  expect([refused.status, refused.headers.get('ratelimit-policy')]).toEqual([429, '"registrations";q=1000;w=600']);
  expect(
    (await t.request('POST', '/api/users', { body: {}, headers: { 'x-forwarded-for': '2001:db8:78::1' } })).status,
  ).toBe(422);
  t.clock.run();
});

it('PUT /api/users/me/avatar answers 429 after sixty uploads of a user in an hour', async () => {
  const [one, other] = [await t.user(), await t.user()];
  const upload = ({ token }: { token: string }) =>
    call(t, 'PUT', '/api/users/me/avatar', token, { body: formOf(Buffer.from('no image')) });
  expect(await statuses(60, () => upload(one))).toEqual(Array<number>(60).fill(415));
  expect(await upload(one)).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect((await upload(other)).status).toBe(415);
  const fields = new FormData();
  fields.set('address', 'Kyoto');
  const form = await call(t, 'PATCH', '/api/users/me', one.token, { body: fields });
  expect(form).toMatchObject({ status: 429, body: { code: 'rate_limited' } }); // counted before its parts are known
  const json = await t.request('PATCH', '/api/users/me', { token: one.token, body: { address: 'Kyoto' } });
  expect(json.status).toBe(200);
});

it('PUT /api/users/me/avatar does not count uploads that are refused as too many at once', async () => {
  const user = await t.user();
  const upload = () => call(t, 'PUT', '/api/users/me/avatar', user.token, { body: formOf(Buffer.from('no image')) });
  const unfinished = [];
  for (let i = 0; i < 4; i++) unfinished.push(await startUpload(t, user.token));
  await expect.poll(() => canUpload(t, user)).toBe(false);
  for (let i = 0; i < 61; i++) expect((await upload()).body).toMatchObject({ code: 'too_many_uploads' });
  for (const socket of unfinished) socket.destroy();
  await expect.poll(() => canUpload(t, user)).toBe(true);
  expect((await upload()).status).toBe(415);
});

describe('the limit on all requests of a network', () => {
  let limited: TestApp;
  beforeAll(async () => {
    limited = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback', MAX_REQUESTS_PER_MINUTE: '5' } });
    limited.clock.set(Date.now());
  });
  afterAll(() => limited.stop());

  const get = (path: string, from: string, token?: string) =>
    limited.request('GET', path, { token, headers: { 'x-forwarded-for': from } });

  it('answers 429 to the sixth request within a minute on any routes, and starts again afterwards', async () => {
    const from = newNetwork();
    const paths = ['/api/users/me', '/api/users', '/.well-known/jwks.json', '/api/users/me/', '/api/groups'];
    const answers = await Promise.all(paths.map((path) => get(path, from)));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 200, 401, 401]);
    expect(answers.some(({ headers }) => headers.has('ratelimit'))).toBe(false);
    const refused = await get('/api/users/me', from);
    expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' });
    const { headers } = refused;
    expect([headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([
      `"requests";r=0;t=${headers.get('retry-after')}`,
      '"requests";q=5;w=60',
    ]);
    expect((await get('/api/users/me', newNetwork())).status).toBe(401);
    limited.clock.advance(60_000);
    expect((await get('/api/users/me', from)).status).toBe(401);
  });

  it('counts requests before it looks at their tokens', async () => {
    const from = newNetwork();
    const token = await limited.asAdmin();
    expect(await statuses(6, () => get('/api/users/me', from, token))).toEqual([...Array<number>(5).fill(200), 429]);
  });

  it('counts an IPv6 /48 as well, up to ten times as many requests', async () => {
    limited.clock.advance(60_000);
    const from = (i: number) => `2001:db8:48:${i}::1`;
    for (let i = 0; i < 20; i++) await get('/api/users/me', from(99)); // of which 15 are refused
    const answers = await statuses(46, (i) => get('/api/users/me', from(Math.floor(i / 5))));
    expect(answers).toEqual([...Array<number>(45).fill(401), 429]);
    expect((await get('/api/users/me', '2001:db8:49::1')).status).toBe(401);
  });

  it('counts upgrades of the chat, and refuses them with 429 before it looks at their tokens', async () => {
    const from = newNetwork();
    const token = await limited.asAdmin();
    const upgrade = (headers: Record<string, string>): Promise<[number, string | undefined]> =>
      new Promise((resolve) => {
        const socket = new WebSocket(socketUrl(limited), { headers: { 'x-forwarded-for': from, ...headers } });
        socket.on('upgrade', ({ statusCode }) => resolve([statusCode!, undefined]));
        socket.on('unexpected-response', (_, response) => {
          resolve([response.statusCode!, response.headers['retry-after']]);
          socket.terminate();
        });
        socket.on('error', () => undefined).on('open', () => socket.close());
      });
    for (let i = 0; i < 4; i++) expect(await upgrade({ authorization: `Bearer ${token}` })).toEqual([101, undefined]);
    expect((await get('/api/users/me', from)).status).toBe(401);
    expect(await upgrade({ authorization: `Bearer ${token}` })).toEqual([429, expect.stringMatching(/^\d+$/)]);
    expect(await upgrade({ origin: 'https://evil.example' })).toEqual([403, undefined]);
    expect((await get('/api/users/me', from)).status).toBe(429);
  });

  it('does not count health checks', async () => {
    const from = newNetwork();
    for (const path of ['/api/health', '/api/health/live', '/api/health/ready', '/api/misc/ping']) {
      expect(await statuses(6, () => get(path, from))).toEqual(Array<number>(6).fill(200));
    }
  });
});

it('PUT /api/password-resets answers 429 after 60 attempts of a network in an hour', async () => {
  const body = { reset_token: 'x'.repeat(43), password: 'silent meadow ninety' };
  const set = (ip: string) => t.request('PUT', '/api/password-resets', { body, headers: { 'x-forwarded-for': ip } });
  const answers = await statuses(61, () => set('198.51.100.77'));
  expect(new Set(answers.slice(0, 60)).has(429)).toBe(false);
  expect([answers[60], (await set('198.51.100.78')).status]).toEqual([429, answers[0]]);
});

it('openapi.json documents the quota of a route with its headers', async () => {
  const document = createOpenApiDocument(t.app);
  const documented = ['/api/users', '/api/create', '/api/sessions/two-step', '/api/password-resets'].map(
    (path) => document.paths[path]!.post!.responses['429'] as { headers: object },
  );
  for (const { headers } of documented) {
    expect(Object.keys(headers)).toEqual(['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy']);
  }
  expect(JSON.stringify(document)).not.toContain('x-quota');
});
