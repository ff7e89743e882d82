import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { openSession, refreshSession, statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000)); // on a whole second, standing still
afterAll(() => t.stop());

const signIn = (of?: SignedInUser, password?: string) => openSession(t, of, password);
const refresh = (refresh_token: unknown) => refreshSession(t, refresh_token);
const status = (token: string) => statusWith(t, token);
const eventsOf = async (subject_id: string) => {
  const { body } = await t.request('GET', `/api/audit?subject_id=${subject_id}`, { token: await t.asAdmin() });
  return body['items'];
};

describe('PUT /api/users/me/password', () => {
  const next = 'silent meadow ninety';
  const change = (token: string, body: object) => t.request('PUT', '/api/users/me/password', { token, body });

  it('changes the password and revokes all sessions, the current one included', async () => {
    const first = await signIn();
    const other = await t.signIn(first.user.username, PASSWORD);
    expect((await change(other, { current_password: PASSWORD, new_password: next })).status).toBe(204);
    expect([await status(first.identity), await status(other)]).toEqual([401, 401]);
    expect((await refresh(first.refresh)).status).toBe(401);
    await t.signIn(first.user.username, next);
    const old = await t.request('POST', '/api/sessions', { body: { login: first.user.username, password: PASSWORD } });
    expect(old.status).toBe(401);
    expect((await eventsOf(first.user.id)).map(({ action }) => action)).toContain('user.password_changed');
  });

  it.each([
    [{ current_password: 'wrong', new_password: next }, 403, 'wrong_password'],
    [{ current_password: PASSWORD, new_password: 'password1' }, 422, 'password_refused'],
    [{ current_password: PASSWORD, new_password: 'x'.repeat(73) }, 422, 'password_refused'],
    [{ new_password: next }, 422, 'validation_failed'],
    [{ current_password: PASSWORD }, 422, 'validation_failed'],
    [{ current_password: PASSWORD, new_password: next, user_id: 1 }, 422, 'validation_failed'],
  ])('refuses %j', async (body, code, problem) => {
    const first = await signIn();
    expect((await change(first.identity, body)).body).toMatchObject({ status: code, code: problem });
    expect(await status(first.identity)).toBe(200);
  });
});
