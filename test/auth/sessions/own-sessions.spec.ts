import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { openSession, refreshSession, statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000)); // on a whole second, standing still
afterAll(() => t.stop());

const MINUTE = 60_000;
const DAY = 24 * 60 * 60_000;

const decode = (token: string) => jwt.decode(token) as Record<string, unknown>;
const signIn = (of?: SignedInUser, password?: string) => openSession(t, of, password);
const refresh = (refresh_token: unknown) => refreshSession(t, refresh_token);
const status = (token: string) => statusWith(t, token);

describe('/api/sessions', () => {
  const agent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';

  it('lists the sessions of the caller, newest first, and revokes one', async () => {
    const user = await t.user();
    const headers = { 'user-agent': agent };
    const { body } = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
      headers,
    });
    const other = await t.user();
    const list = async (token: string) => (await t.request('GET', '/api/sessions', { token })).body.items;
    const devices = await list(user.token);
    expect(devices).toHaveLength(2);
    expect(devices[0]).toEqual({
      id: body['id'],
      device: 'Firefox on Windows',
      ip: '127.0.0.1',
      created_at: expect.any(String),
      last_used_at: expect.any(String),
      expires_at: expect.any(String),
      is_current: false,
    });
    expect(devices[1]).toMatchObject({ is_current: true });
    const path = `/api/sessions/${body['id']}`;
    expect((await t.request('DELETE', path, { token: other.token })).body['code']).toBe('session_not_found');
    expect((await t.request('DELETE', path, { token: user.token })).status).toBe(204);
    expect((await t.request('DELETE', path, { token: user.token })).body['code']).toBe('session_not_found');
    expect(await status(body['identity_token'])).toBe(401);
    expect(await list(user.token)).toHaveLength(1);
  });

  it('omits expired sessions and deletes them at the next sign-in', async () => {
    const first = await signIn();
    t.clock.advance(8 * DAY);
    const token = await t.signIn(first.user.username, PASSWORD);
    const { body } = await t.request('GET', '/api/sessions', { token });
    expect(body.items).toHaveLength(1);
    const [row] = await t.dataSource.query<{ count: string }[]>('select count(*) from sessions where user_id = $1', [
      first.user.id,
    ]);
    expect(row!.count).toBe('1');
  });

  it('revokes all sessions, or all but the current one', async () => {
    const first = await signIn();
    const other = await t.signIn(first.user.username, PASSWORD);
    await t.request('DELETE', '/api/sessions?except_current=true', { token: other });
    expect([await status(first.identity), await status(other)]).toEqual([401, 200]);
    expect((await t.request('DELETE', '/api/sessions?except_current=yes', { token: other })).status).toBe(422);
    await t.request('DELETE', '/api/sessions', { token: other });
    expect(await status(other)).toBe(401);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('returns the current session with the expiry of both tokens and the user of the token', async () => {
    const first = await signIn();
    const { body } = await t.request('GET', '/api/sessions/current', { token: first.identity });
    const claims = decode(first.identity);
    expect(body).toMatchObject({
      id: first.id,
      is_current: true,
      identity_expires_at: new Date((claims['exp'] as number) * 1000).toISOString(),
      refresh_expires_at: new Date((decode(first.refresh)['exp'] as number) * 1000).toISOString(),
      user: claims['user'],
    });
  });
});

describe('DELETE /api/sessions/current', () => {
  const signOut = (options: object) => t.request('DELETE', '/api/sessions/current', options);

  it('revokes the session: its token is refused on the next request', async () => {
    const user = await t.user();
    const { status: code, text } = await signOut({ token: user.token });
    expect([code, text]).toEqual([204, '']);
    expect((await t.request('GET', '/api/users/me', { token: user.token })).body).toMatchObject({
      status: 401,
      code: 'invalid_token',
      msg: expect.any(String),
    });
  });

  it('answers 204 when repeated', async () => {
    const first = await signIn();
    for (let i = 0; i < 3; i++) expect((await signOut({ token: first.identity })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('accepts an expired identity token', async () => {
    const first = await signIn();
    t.clock.advance(16 * MINUTE);
    expect(await status(first.identity)).toBe(401);
    expect((await signOut({ token: first.identity })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('accepts the refresh token in the body instead of an identity token', async () => {
    const first = await signIn();
    t.clock.advance(16 * MINUTE);
    expect((await signOut({ body: { refresh_token: first.refresh } })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('refuses missing, foreign and malformed tokens', async () => {
    expect((await signOut({})).body['code']).toBe('token_required');
    expect((await signOut({ token: 'a.b.c' })).body['code']).toBe('invalid_token');
    expect((await signOut({ body: { refresh_token: 'x' } })).body['code']).toBe('invalid_token');
    expect((await signOut({ body: { refresh_token: 5 } })).status).toBe(422);
  });
});
