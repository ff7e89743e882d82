import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { CookieJar } from '../../support/clients/cookie-jar.js';
import { KanjikuClient, keyOf, newUser, USERS } from '../../support/clients/kanjiku-client.js';

let t: TestApp;
let site: KanjikuClient;
beforeAll(async () => {
  t = await startApp({
    env: {
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '7d',
      SESSION_MAX_AGE: '30d',
      ALLOWED_ORIGINS: 'https://manga.example.org',
    },
  });
  site = new KanjikuClient(t);
});
afterAll(() => t.stop());

describe('POST /v1/User/register', () => {
  it.each<[string, object, string]>([
    ['no username', { username: undefined }, 'errors.missing_parameters'],
    ['no password', { password: null }, 'errors.missing_parameters'],
    ['no email', { email: undefined, birthday: 'x' }, 'errors.missing_parameters'],
    ['a birthday that is no date', { birthday: '1997-02-30', username: '!' }, 'errors.birthday_invalid'],
    ['a birthday that is a number', { birthday: 19970713 }, 'errors.birthday_invalid'],
    ['a short username', { username: 'x', email: 'x' }, 'errors.username_invalid'],
    ['a username that is a number', { username: 12345 }, 'errors.username_invalid'],
    ['an email that is none', { email: 'nonsense' }, 'errors.email_invalid'],
    ['an empty email', { email: '' }, 'errors.email_invalid'],
    ['a short password', { password: 'x' }, 'errors.validation_error'],
    ['a common password', { password: 'password1' }, 'errors.validation_error'],
    ['a password that is an object', { password: {} }, 'errors.validation_error'],
  ])('answers 400 to %s', async (_, wrong, key) => {
    expect(keyOf(await site.register({ ...newUser(), ...wrong }))).toEqual([400, key]);
  });

  it.each(['', '{', '[]', '"text"', 'null'])('answers 400 to the body %j', async (body) => {
    expect((await site.send('POST', `${USERS}/register`, undefined, body)).status).toBe(400);
  });

  it('answers 400 to a taken username and a taken e-mail address, whatever the case', async () => {
    const user = newUser();
    await site.register(user);
    const username = user.username.toUpperCase();
    expect(keyOf(await site.register({ ...user, username }))).toEqual([400, 'errors.username_taken']);
    const email = user.email.toUpperCase();
    expect(keyOf(await site.register({ ...newUser(), email }))).toEqual([400, 'errors.email_taken']);
  });

  it('ignores unknown and administrative fields, and takes a user without a birthday', async () => {
    const user = { ...newUser(), birthday: '', is_active: false, groups: ['admin'], permissions: ['admin'], id: 1 };
    expect(keyOf(await site.register(user))).toEqual([200, 'messages.user_created']);
    const token = await t.signIn(user.username, PASSWORD);
    const { body } = await t.request('GET', '/api/users/me', { token });
    expect(body).toMatchObject({ fullname: user.username, birthday: null, groups: [], permissions: { admin: false } });
  });
});

describe('GET /v1/User', () => {
  it('needs a session', async () => {
    expect(keyOf(await site.send('GET', USERS))).toEqual([400, 'errors.no_session']);
    const { token } = await t.user();
    const answer = await t.request('GET', USERS, { token });
    expect(keyOf(answer)).toEqual([400, 'errors.no_session']);
  });

  it('returns pages in the order of the usernames, without deactivated users', async () => {
    const { jar } = await site.signedIn();
    for (let i = 0; i < 3; i++) await site.register(newUser());
    const removed = await t.user();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${removed.id}`, { token, body: { is_active: false } });
    const { body: all } = await site.send('GET', `${USERS}?page=1&pagesize=100`, jar);
    const usernames = Object.values(all['users'] as Record<string, string>);
    expect(usernames).not.toContain(removed.username);
    expect([usernames.length, usernames.toSorted()]).toEqual([all['user_count'], usernames]);
    const pages = [];
    for (let page = 1; page <= Math.ceil(usernames.length / 2); page++) {
      pages.push(
        ...Object.values((await site.send('GET', `${USERS}?page=${page}&pagesize=2`, jar)).body['users'] as object),
      );
    }
    expect(pages).toEqual(usernames);
    const { body: beyond } = await site.send('GET', `${USERS}?page=1000&cache=1`, jar);
    expect(beyond).toEqual({ user_count: all['user_count'], users: {} });
  });

  it.each([
    'page=x',
    'page=0',
    'page=-1',
    'page=1.5',
    'page=1e3',
    'page=99999999999',
    'pagesize=0',
    'pagesize=101',
    'page=1&page=2',
  ])('answers 400 to ?%s', async (query) => {
    const { jar } = await site.signedIn();
    expect(keyOf(await site.send('GET', `${USERS}?${query}`, jar))).toEqual([400, 'errors.parameter_error']);
  });
});

describe('GET /v1/User/me and GET /v1/User/<uuid>', () => {
  it('return birthday and e-mail address to the user and to administrators only', async () => {
    const { jar, id, username } = await site.signedIn();
    const { jar: stranger } = await site.signedIn();
    const sparse = {
      uuid: id,
      username,
      avatar: null,
      groups: [],
      member_since: expect.stringMatching(/^\d\d\/\d\d\/\d{4}$/),
    };
    const full = { ...sparse, birthday: '1997-07-13', email: `${username}@example.org` };
    expect((await site.send('GET', `${USERS}/me`, jar)).body).toEqual(full);
    expect((await site.send('GET', `${USERS}/${id.toUpperCase()}`, jar)).body).toEqual(full);
    expect((await site.send('GET', `${USERS}/${id}`, stranger)).body).toEqual(sparse);
    const admin = new CookieJar();
    const boss = await t.user('admin');
    admin.store((await site.login(admin, { username: boss.username, password: PASSWORD })).headers);
    expect((await site.send('GET', `${USERS}/${id}`, admin)).body).toEqual(full);
    const { body } = await t.request('GET', `/api/audit?subject_id=${id}&action=user.viewed`, { token: boss.token });
    expect(body['items']).toHaveLength(1);
  });

  it('returns the date of registration as dd/mm/YYYY in UTC', async () => {
    t.clock.set(Date.parse('2026-03-05T23:30:00Z'));
    const { jar } = await site.signedIn();
    expect((await site.send('GET', `${USERS}/me`, jar)).body['member_since']).toBe('05/03/2026');
    t.clock.set(Date.now());
  });

  it('answer 404 to unknown and deactivated users and to words, and 400 without a session', async () => {
    const { jar, id } = await site.signedIn();
    const removed = await t.user();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${removed.id}`, { token, body: { is_active: false } });
    for (const wrong of [randomUUID(), removed.id, 'nobody', '1', '%20', `${id}x`]) {
      expect(keyOf(await site.send('GET', `${USERS}/${wrong}`, jar))).toEqual([404, 'errors.user_does_not_exist']);
    }
    for (const path of ['me', id])
      expect(keyOf(await site.send('GET', `${USERS}/${path}`))).toEqual([400, 'errors.no_session']);
  });
});
