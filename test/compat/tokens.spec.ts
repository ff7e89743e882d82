import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

const HOUR_S = 3600;
const DAY_MS = 86_400_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: {
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '1d',
      SESSION_MAX_AGE: '30d',
      EXTERNAL_IDENTITY: 'trusted-subject',
    },
  });
});
afterAll(() => t.stop());

const claimsOf = (token: string) => jwt.decode(token) as Record<string, unknown> & { iat: number; exp: number };
const lifetimeOf = (token: string): number => claimsOf(token).exp - claimsOf(token).iat;

/** The token of the cookie that the chat app's sign-in sets, and its Max-Age. */
async function chatappToken(app: TestApp, username: string) {
  const { headers } = await app.request('POST', '/api/auth/login', { body: { username, password: PASSWORD } });
  const [, token, maxAge] = /^login-token=([^;]+);.* Max-Age=(\d+);/.exec(headers.get('set-cookie')!)!;
  return { token: token!, maxAge: Number(maxAge) };
}

async function registrationToken(app: TestApp, username: string): Promise<string> {
  const body = { username: `${username}@example.org`, password: PASSWORD };
  return (await app.request('POST', '/api/login', { body })).body['access_token'];
}

describe('every identity token', () => {
  it('carries "username" and "id" beside the claims of the manga site', async () => {
    const user = await t.user();
    const { token } = await chatappToken(t, user.username);
    const external = await t.request('GET', '/api/users/login', { headers: { authorization: 'Bearer claims' } });
    const { body: session } = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
    });
    const { body: refreshed } = await t.request('POST', '/api/sessions/refresh', {
      body: { refresh_token: session['refresh_token'] },
    });
    const tokens = [user.token, token, await registrationToken(t, user.username), refreshed['identity_token']];
    for (const each of tokens) {
      expect(claimsOf(each)).toMatchObject({
        username: user.username,
        id: user.id,
        user: { uid: user.id, username: user.username, permissions: { admin: false, view_hidden: false } },
      });
    }
    const claims = claimsOf(external.body['access_token']);
    expect(claims).toMatchObject({ id: claims['sub'], username: (claims['user'] as { username: string }).username });
    expect(claimsOf(session['refresh_token'])).not.toHaveProperty('username');
  });
});

describe('COMPAT_TOKEN_TTL', () => {
  it('is 3,600 s for the cookie of the chat app, whatever IDENTITY_TOKEN_TTL is', async () => {
    const { username } = await t.user();
    const { token, maxAge } = await chatappToken(t, username);
    expect([lifetimeOf(token), maxAge]).toEqual([HOUR_S, HOUR_S]);
    expect(lifetimeOf(await t.signIn(username, PASSWORD))).toBe(900);
  });

  it('can be changed, and never exceeds the session', async () => {
    const app = await startApp({ env: { COMPAT_TOKEN_TTL: '2h', SESSION_MAX_AGE: '90m' } });
    const { username } = await app.user();
    const { token, maxAge } = await chatappToken(app, username);
    expect([lifetimeOf(token), maxAge]).toEqual([5400, 5400]);
    await app.stop();
  });
});

describe('COMPAT_REGISTRATION_TOKEN_TTL', () => {
  it('is seven days for tokens of POST /api/login', async () => {
    const { username } = await t.user();
    expect(lifetimeOf(await registrationToken(t, username))).toBe(7 * 24 * HOUR_S);
  });

  it('can be changed, and never exceeds SESSION_MAX_AGE', async () => {
    const app = await startApp({ env: { COMPAT_REGISTRATION_TOKEN_TTL: '2d', SESSION_MAX_AGE: '1d' } });
    const { username } = await app.user();
    expect(lifetimeOf(await registrationToken(app, username))).toBe(24 * HOUR_S);
    await app.stop();
  });

  it('keeps the session while the token is valid, longer than refresh tokens live', async () => {
    const { username, id } = await t.user();
    const token = await registrationToken(t, username);
    t.clock.advance(6 * DAY_MS);
    const fresh = await t.signIn(username, PASSWORD); // removes expired sessions
    expect((await t.request('GET', '/api/profile', { token })).body['id']).toBe(id);
    const { body: sessions } = await t.request('GET', '/api/sessions', { token: fresh });
    expect(sessions.items).toHaveLength(2); // the session of t.user() has expired: its refresh token lived for a day
    t.clock.advance(DAY_MS);
    expect((await t.request('GET', '/api/profile', { token })).body['code']).toBe('token_expired');
    t.clock.set(Date.now());
  });

  it('gives tokens that end with their session', async () => {
    const { username } = await t.user();
    const token = await registrationToken(t, username);
    expect((await t.request('DELETE', '/api/sessions', { token })).status).toBe(204);
    expect((await t.request('GET', '/api/profile', { token })).body['code']).toBe('invalid_token');
  });
});
