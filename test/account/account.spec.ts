import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

describe('/api/users/me', () => {
  it('PATCH changes the given fields, keeps the others, and clears those that are null', async () => {
    const me = await t.user();
    const changes = { fullname: 'New Name', phone_number: '+4915112345678', birthday: '2000-02-29', address: 'Here' };
    const { status, body } = await t.request('PATCH', '/api/users/me', { token: me.token, body: changes });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ...changes, username: me.username, email: `${me.username}@example.org` });
    await t.request('PATCH', '/api/users/me', { token: me.token, body: { address: null } });
    const seen = await t.request('GET', '/api/users/me', { token: me.token });
    expect(seen.body).toMatchObject({ ...changes, address: null });
    expect(Date.parse(seen.body['updated_at'])).toBeGreaterThan(Date.parse(seen.body['created_at']));
  });

  it('PATCH changes the username and answers 409 for one that is taken', async () => {
    const [me, other] = [await t.user(), await t.user()];
    const taken = await t.request('PATCH', '/api/users/me', {
      token: me.token,
      body: { username: other.username.toUpperCase() },
    });
    expect(taken.body).toMatchObject({ status: 409, code: 'username_taken' });
    const changed = await t.request('PATCH', '/api/users/me', {
      token: me.token,
      body: { username: `${me.username}-new` },
    });
    expect(changed.body['username']).toBe(`${me.username}-new`);
  });

  it('PATCH requests a change of the e-mail address only with the current password, and shows it as pending', async () => {
    const me = await t.user();
    const patch = (body: object) => t.request('PATCH', '/api/users/me', { token: me.token, body });
    expect((await patch({ email: 'new@example.org' })).body['code']).toBe('validation_failed');
    expect((await patch({ email: null })).body['code']).toBe('validation_failed');
    expect((await patch({ email: 'new@example.org', current_password: 'wrong' })).body['code']).toBe('wrong_password');
    const email = `${me.username}@example.org`;
    const requested = await patch({ email: 'ADMIN@example.org', current_password: PASSWORD });
    expect(requested.body).toMatchObject({ email, pending_email: 'admin@example.org' });
    expect((await patch({ email: 'other@example.org', current_password: PASSWORD })).body['pending_email']).toBe(
      'other@example.org', // one change can be pending
    );
    expect((await patch({ email })).body).toMatchObject({ email, pending_email: null }); // no change after all
    expect((await patch({ email: null, current_password: PASSWORD })).body['email']).toBeNull();
    expect((await t.request('GET', '/api/users/me', { token: me.token })).status).toBe(401); // every session ends with it
  });

  it.each([
    { fullname: null },
    { username: null },
    { current_password: null },
    { password: 'another good one' },
    { is_active: false },
    { permissions: { admin: true } },
    { groups: [] },
    { id: UNKNOWN_ID },
    { verified: true },
    { updated_at: '2000-01-01' },
    { fullname: { toString: 'x' } },
    { fullname: ['a'] },
  ])('PATCH answers 422 for %j', async (body) => {
    const me = await t.user();
    const answer = await t.request('PATCH', '/api/users/me', { token: me.token, body });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('DELETE deletes the account with the password; its tokens are refused at once', async () => {
    const me = await t.user();
    const remove = (body: object) => t.request('DELETE', '/api/users/me', { token: me.token, body });
    expect((await remove({})).status).toBe(422);
    expect((await remove({ password: 'wrong' })).body).toMatchObject({ status: 403, code: 'wrong_password' });
    expect((await remove({ password: PASSWORD })).status).toBe(204);
    expect((await t.request('GET', '/api/users/me', { token: me.token })).status).toBe(401);
    expect(
      (await t.request('POST', '/api/sessions', { body: { login: me.username, password: PASSWORD } })).status,
    ).toBe(401);
    const left = await t.dataSource.query<unknown[]>('select from sessions where user_id = $1', [me.id]);
    expect(left).toEqual([]);
  });
});
