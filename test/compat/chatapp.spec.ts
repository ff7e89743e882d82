import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', ALLOWED_ORIGINS: 'https://chat.example.org' } });
});
afterAll(() => t.stop());

/** As `curl -d` sends it. */
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  t.request('POST', `/api${path}`, {
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });

const plain = ({ status, text, headers }: Awaited<ReturnType<typeof post>>) => {
  expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
  return [status, text];
};

const registration = (username: string) => ({ username, password: PASSWORD, fullname: 'A person' });

describe('POST /register', () => {
  it('creates a user who can use the canonical routes', async () => {
    expect(plain(await post('/register', registration('Rika')))).toEqual([201, 'registered']);
    const token = await t.signIn('rika', PASSWORD);
    const { body } = await t.request('GET', '/api/users/me', { token });
    expect(body).toMatchObject({ username: 'Rika', fullname: 'A person', email: null });
  });

  it.each<[unknown, string]>([
    ['', 'not a valid json'],
    ['{', 'not a valid json'],
    ['"text"', 'not a valid json'],
    ['null', 'not a valid json'],
    ['12', 'not a valid json'],
    [{}, 'username required'],
    [[], 'username required'],
    [{ password: 1, fullname: '' }, 'username required'],
    [{ username: 1, fullname: '' }, 'password required'],
    [{ username: '', password: 1 }, 'fullname required'],
    [{ username: '', password: 1, fullname: '' }, 'password should be a string'],
    [{ username: null, password: 1, fullname: '' }, 'username should be a string'],
    [{ username: 'x', password: 'y', fullname: ['z'] }, 'fullname should be a string'],
    [{ username: '', password: '', fullname: '' }, 'username should not be empty'],
    [{ username: 'x', password: '', fullname: '' }, 'password should not be empty'],
    [{ username: 'x', password: 'y', fullname: '' }, 'fullname should not be empty'],
    [{ username: 'x', password: PASSWORD, fullname: 'z' }, 'username must be 3 to 30 letters, digits, ".", "_" or "-"'],
    [{ username: 'xyz', password: 'y', fullname: 'z' }, 'password must have at least 8 bytes'],
    [{ username: 'xyz', password: 'password1', fullname: 'z' }, 'password is one of the most common ones'],
    [
      { username: 'xyz', password: PASSWORD, fullname: 'a\nb' },
      'fullname must be a single line without control characters',
    ],
    [{ username: 'xyz', password: PASSWORD, fullname: '\0' }, 'Text must be valid Unicode without NUL characters.'],
  ])('refuses %j', async (body, sentence) => {
    expect(plain(await post('/register', body))).toEqual([400, sentence]);
  });

  it('refuses a taken username after all other checks', async () => {
    await post('/register', registration('taken'));
    expect(plain(await post('/register', registration('TAKEN')))).toEqual([409, 'username already exists']);
    expect(plain(await post('/register', { ...registration('taken'), password: 'short' }))[0]).toBe(400);
  });

  it('ignores unknown and administrative fields', async () => {
    const extra = { email: 'x@example.org', is_active: false, permissions: ['admin'], id: 1 };
    expect(plain(await post('/register', { ...registration('extra'), ...extra }))).toEqual([201, 'registered']);
    const { body } = await t.request('GET', '/api/users/me', { token: await t.signIn('extra', PASSWORD) });
    expect(body).toMatchObject({ email: null, groups: [], permissions: { admin: false } });
  });

  it("accepts the document's example password with PASSWORD_POLICY=off", async () => {
    const lax = await startApp({ env: { PASSWORD_POLICY: 'off' } });
    const body = JSON.stringify({ username: 'xyz', password: 'xyz', fullname: 'xyz' });
    expect((await lax.request('POST', '/api/register', { body })).text).toBe('registered');
    expect((await lax.request('POST', '/api/auth/login', { body })).text).toBe('login successful');
    await lax.stop();
  });

  it.each(['/register', '/auth/login'])('%s refuses an oversized body with a text response', async (path) => {
    expect(plain(await post(path, { ...registration('large'), fullname: 'x'.repeat(200_000) }))).toEqual([
      413,
      'The body is larger than 100 KB.',
    ]);
  });
});

describe('POST /auth/login', () => {
  const login = async (username: string, headers: Record<string, string> = {}, password = PASSWORD) =>
    post('/auth/login', { username, password }, headers);

  it('sets the documented cookie, which GET /auth/verify accepts', async () => {
    await post('/register', registration('Sora'));
    t.clock.set(Math.floor(Date.now() / 1000) * 1000 + 400);
    const answer = await login('sora');
    expect(plain(answer)).toEqual([202, 'login successful']);
    const cookie = answer.headers.get('set-cookie')!;
    expect(cookie).toMatch(
      /^login-token=[\w-]+\.[\w-]+\.[\w-]+; HttpOnly; Max-Age=3600; Path=\/; Secure; SameSite=Lax$/,
    );
    const verify = (value?: string) =>
      t.request('GET', '/api/auth/verify', { headers: value === undefined ? {} : { cookie: value } });
    expect(plain(await verify(cookie.split(';')[0]))).toEqual([200, 'Hello, Sora']);
    expect(plain(await verify())).toEqual([401, 'login-token required']);
    expect(plain(await verify('other=1'))).toEqual([401, 'login-token required']);
    expect(plain(await verify('login-token=abc'))).toEqual([401, 'invalid login-token']);
    expect(plain(await verify(`${cookie.split(';')[0]}x`))).toEqual([401, 'invalid login-token']);
    t.clock.advance(3600_000);
    expect(plain(await verify(cookie.split(';')[0]))).toEqual([401, 'invalid login-token']);
    t.clock.set(Date.now());
  });

  it('limits Max-Age to 400 days when tokens never expire', async () => {
    const eternal = await startApp({ env: { IDENTITY_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never' } });
    const user = await eternal.user();
    const body = JSON.stringify({ username: user.username, password: PASSWORD });
    const { headers } = await eternal.request('POST', '/api/auth/login', { body });
    expect(headers.get('set-cookie')).toContain('; Max-Age=34560000; ');
    await eternal.stop();
  });

  it('returns identical responses for unknown users and wrong passwords', async () => {
    const { username } = await t.user();
    const refused = [401, 'mismatch username and password'];
    expect(plain(await login('nobody'))).toEqual(refused);
    expect(plain(await login(username, {}, 'wrong'))).toEqual(refused);
    expect(plain(await login(username, {}, 'x'.repeat(100)))).toEqual(refused);
  });

  it.each<[unknown, string]>([
    ['', 'not a valid json'],
    [[1], 'username required'],
    [{ username: 1 }, 'password required'],
    [{ username: {}, password: 1 }, 'username should be a string'],
    [{ username: '', password: '' }, 'username should not be empty'],
  ])('refuses %j', async (body, sentence) => {
    expect(plain(await post('/auth/login', body))).toEqual([400, sentence]);
  });

  it('refuses foreign origins', async () => {
    const { username } = await t.user();
    for (const origin of ['https://evil.example', 'null', `https://127.0.0.1:1`, 'nonsense']) {
      const { status, headers } = await login(username, { origin });
      expect([origin, status, headers.get('set-cookie')]).toEqual([origin, 403, null]);
    }
    for (const origin of ['https://chat.example.org', t.url]) {
      expect((await login(username, { origin })).status).toBe(202);
    }
  });
});

it('other routes refuse form and text content types', async () => {
  for (const type of ['application/x-www-form-urlencoded', 'text/plain']) {
    const body = JSON.stringify({ login: 'admin', password: 'x' });
    const answer = await t.request('POST', '/api/sessions', { body, headers: { 'content-type': type } });
    expect(answer.body['code']).toBe('unsupported_media_type');
  }
});

it('failed sign-ins of all sign-in routes count together', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const { username } = await limited.user();
  const body = { username, password: 'wrong' };
  const statuses = [];
  for (let i = 0; i < 3; i++) statuses.push((await limited.request('POST', '/api/auth/login', { body })).status);
  for (let i = 0; i < 3; i++) {
    const own = { login: username, password: 'wrong' };
    statuses.push((await limited.request('POST', '/api/sessions', { body: own })).status);
  }
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  const refused = await limited.request('POST', '/api/auth/login', { body: { username, password: PASSWORD } });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  await limited.stop();
});

it('GET /auth/verify answers 503 in plain text while the database is away, as documented', async () => {
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  const route = async (connection: DatabaseConnection) => (proxy = await startProxy(connection)).connection;
  const app = await startApp({ route });
  const { token } = await app.user();
  proxy!.cut();
  const answer = await app.request('GET', '/api/auth/verify', { token });
  proxy!.restore();
  expect(plain(answer)).toEqual([503, expect.stringMatching(/database/)]);
  const document = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as {
    paths: Record<string, { get: { responses: object } }>;
  };
  expect(Object.keys(document.paths['/api/auth/verify']!.get.responses)).toContain('503');
  await app.stop();
  proxy!.stop();
});

it('COMPAT=off removes the compatibility routes', async () => {
  const closed = await startApp({ env: { COMPAT: 'off' } });
  for (const route of ['POST /api/register', 'POST /api/auth/login', 'GET /api/auth/verify']) {
    const [method, path] = route.split(' ') as [string, string];
    expect((await closed.request(method, path)).body['code']).toBe('route_not_found');
  }
  await closed.stop();
});
