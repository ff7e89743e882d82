import { getRounds, hash } from 'bcrypt';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
afterAll(() => t.stop());

const decode = (token: string) => jwt.decode(token) as Record<string, unknown>;
const signIn = (login: string, password = PASSWORD) =>
  t.request('POST', '/api/sessions', { body: { login, password } });
const me = (token: string) => t.request('GET', '/api/users/me', { token });

describe('POST /api/sessions', () => {
  it('returns both tokens with their expiry, and the user', async () => {
    const user = await t.user('upload_chapters');
    const { status, body } = await signIn(user.username);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      identity_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_at: expect.any(String),
      refresh_expires_at: expect.any(String),
      user: (await me(user.token)).body,
    });
    expect((await me(body['identity_token'])).status).toBe(200);
  });

  it("issues tokens with the claims of the manga site's document", async () => {
    const user = await t.user('upload_chapters');
    const { body } = await signIn(user.username);
    const identity = decode(body['identity_token']);
    const refresh = decode(body['refresh_token']);
    expect(identity).toMatchObject({
      iss: t.config.issuer,
      iat: expect.any(Number),
      nbf: identity['iat'],
      exp: (identity['iat'] as number) + 15 * 60,
      user: {
        uid: user.id,
        username: user.username,
        groups: [`group of ${user.username}`],
        permissions: {
          admin: false,
          early_access: false,
          manage_projects: false,
          upload_chapters: true,
          moderate_avatars: false,
          view_hidden: false,
        },
      },
    });
    expect(refresh).toMatchObject({ iss: t.config.issuer, nbf: refresh['iat'], id_token: identity['jti'] });
    expect(refresh['exp']).toBe((refresh['iat'] as number) + 7 * 24 * 3600);
    expect(body['expires_at']).toBe(new Date((identity['exp'] as number) * 1000).toISOString());
  });

  it('issues tokens that never expire, with an exp in the year 9999, if the lifetimes are never', async () => {
    const env = { IDENTITY_TOKEN_TTL: 'never', REFRESH_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never' };
    const unlimited = await startApp({ env });
    const user = await unlimited.user();
    const { body } = await unlimited.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
    });
    expect(body).toMatchObject({ expires_at: null, refresh_expires_at: null });
    expect(decode(body['identity_token'])['exp']).toBe(253402300799);
    unlimited.clock.advance(100 * 365 * 24 * 3600 * 1000);
    expect((await unlimited.request('GET', '/api/users/me', { token: body['identity_token'] })).status).toBe(200);
    await unlimited.stop();
  });

  it('returns byte-identical responses for unknown users, wrong passwords and deactivated users', async () => {
    const [user, gone] = [await t.user(), await t.user()];
    await t.request('PATCH', `/api/users/${gone.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const attempts = await Promise.all([
      signIn('nobody-here'),
      signIn('nobody@example.org'),
      signIn(user.username, 'wrong'),
      signIn(user.username, 'x'.repeat(100)),
      signIn('nobody-here', 'x'.repeat(100)),
      signIn(`${user.username}@example.org`, 'wrong'),
      signIn(gone.username),
      signIn(gone.username, 'wrong'),
    ]);
    const texts = attempts.map(({ text, headers }) => text.replace(headers.get('x-request-id')!, ''));
    expect(new Set(texts).size).toBe(1);
    expect(attempts[0].body).toMatchObject({ status: 401, code: 'invalid_credentials' });
    const names = attempts.map(({ headers }) => [...headers.keys()].join());
    expect(new Set(names).size).toBe(1);
  });

  it.each([
    {},
    { login: 'x' },
    { password: PASSWORD },
    { login: '', password: 'x' },
    { login: ['a'], password: 'x' },
    { login: { $ne: 1 }, password: 'x' },
    { login: 'a', password: null },
    { login: 'a', password: 'x', remember: true },
    { login: 'a'.repeat(301), password: 'x' },
  ])('refuses %j', async (body) => {
    expect((await t.request('POST', '/api/sessions', { body })).body).toMatchObject({
      status: 422,
      code: 'validation_failed',
    });
  });

  it('opens a session per sign-in, which is revoked on its own', async () => {
    const user = await t.user();
    const other = (await signIn(user.username)).body['identity_token'];
    await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect((await me(user.token)).status).toBe(401);
    expect((await me(other)).status).toBe(200);
  });

  it('stores the user agent and the address of the client', async () => {
    const user = await t.user();
    const headers = { 'user-agent': 'Machi Browser/1.0', 'x-forwarded-for': '203.0.113.9' };
    const { body } = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
      headers,
    });
    const [row] = await t.dataSource.query<object[]>('select user_agent, host(ip) as ip from sessions where id = $1', [
      body['id'],
    ]);
    expect(row).toEqual({ user_agent: 'Machi Browser/1.0', ip: '127.0.0.1' });
  });

  it('rehashes the password if the configured cost has risen', async () => {
    const costly = await startApp({ env: { BCRYPT_COST: '6' } });
    const user = await costly.user();
    const stored = async () =>
      (
        await costly.dataSource.query<{ password_hash: string }[]>('select password_hash from users where id = $1', [
          user.id,
        ])
      )[0]!;
    await costly.dataSource.query('update users set password_hash = $2 where id = $1', [
      user.id,
      await hash(PASSWORD, 4),
    ]);
    await costly.signIn(user.username, PASSWORD);
    expect(getRounds((await stored()).password_hash)).toBe(6);
    await costly.signIn(user.username, PASSWORD);
    await costly.stop();
  });
});
