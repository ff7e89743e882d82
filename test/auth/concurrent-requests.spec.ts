import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';

/** Requests that arrive together share a query. */
describe('requests that arrive together', () => {
  let t: TestApp;
  let users: SignedInUser[];
  const getMe = (token: string) => t.request('GET', '/api/users/me', { token });

  beforeAll(async () => {
    t = await startApp();
    users = await Promise.all(Array.from({ length: 8 }, () => t.user()));
  });
  afterAll(() => t.stop());

  it('are each answered with their own user, and refused if their own session has ended', async () => {
    const [ended, deactivated, ...live] = users;
    await t.request('DELETE', '/api/sessions/current', { token: ended!.token, body: {} });
    await t.dataSource.query('update users set is_active = false where id = $1', [deactivated!.id]);
    const callers = Array.from({ length: 5 }, () => [ended!, ...live, deactivated!]).flat();
    const answers = await Promise.all(callers.map(({ token }) => getMe(token)));
    expect(answers.map(({ body }) => body['id'] ?? body['code'])).toEqual(
      callers.map((caller) => (live.includes(caller) ? caller.id : 'invalid_token')),
    );
  });

  it('see a right that was taken away before they were sent', async () => {
    const moderators = await Promise.all(Array.from({ length: 6 }, () => t.user('moderate_avatars')));
    const statuses = async () => {
      const calls = moderators.map(({ token }) => t.request('GET', '/api/moderation/avatars', { token }));
      return new Set((await Promise.all(calls)).map(({ status }) => status));
    };
    expect(await statuses()).toEqual(new Set([200]));
    await t.dataSource.query(`update groups set permissions = '{}' where name like 'group of %'`);
    expect(await statuses()).toEqual(new Set([403]));
  });
});
