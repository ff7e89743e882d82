import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

describe('/api/users/:id', () => {
  it('PATCH renames, deactivates and reactivates a user; revoked sessions stay revoked', async () => {
    const me = await t.user();
    const token = await t.asAdmin();
    const patch = (body: object) => t.request('PATCH', `/api/users/${me.id}`, { token, body });
    expect((await patch({ fullname: 'Renamed', username: `${me.username}x` })).body).toMatchObject({
      fullname: 'Renamed',
    });
    expect((await patch({ is_active: false })).body).toMatchObject({ is_active: false });
    expect((await t.request('GET', '/api/users/me', { token: me.token })).body['code']).toBe('invalid_token');
    const login = { login: `${me.username}x`, password: PASSWORD };
    expect((await t.request('POST', '/api/sessions', { body: login })).body['code']).toBe('invalid_credentials');
    await patch({ is_active: true });
    expect((await t.request('GET', '/api/users/me', { token: me.token })).status).toBe(401);
    await t.signIn(login.login, PASSWORD);
  });

  it.each([
    { email: 'a@example.org' },
    { password: PASSWORD },
    { is_active: 'false' },
    { is_active: null },
    { groups: [] },
  ])('PATCH answers 422 for %j', async (body) => {
    const me = await t.user();
    const answer = await t.request('PATCH', `/api/users/${me.id}`, { token: await t.asAdmin(), body });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('DELETE deletes a user and answers 404 the second time', async () => {
    const me = await t.user('upload_chapters');
    const token = await t.asAdmin();
    expect((await t.request('DELETE', `/api/users/${me.id}`, { token })).status).toBe(204);
    expect((await t.request('DELETE', `/api/users/${me.id}`, { token })).body['code']).toBe('user_not_found');
    expect((await t.request('GET', '/api/users/me', { token: me.token })).status).toBe(401);
  });

  it('answers 404 for an unknown id', async () => {
    const token = await t.asAdmin();
    const requests: [string, object?][] = [['GET'], ['PATCH', { fullname: 'X' }], ['DELETE']];
    for (const [method, body] of requests) {
      const answer = await t.request(method, `/api/users/${UNKNOWN_ID}`, { token, body });
      expect(answer.body).toMatchObject({ status: 404, code: 'user_not_found' });
    }
  });
});
