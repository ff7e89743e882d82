import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, PASSWORD, startApp, type TestApp } from '../support/app.js';
import { connect } from '../support/chat-client.js';
import { CookieJar } from '../support/cookie-jar.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: {
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '7d',
      SESSION_MAX_AGE: '30d',
      ALLOWED_ORIGINS: 'https://manga.example.org',
    },
  });
});
afterAll(() => t.stop());

const USERS = '/api/v1/User';
const SESSION = '/api/v1/Session';

let counter = 0;
const newUser = () => {
  const username = `reader${++counter}`;
  return { username, password: PASSWORD, email: `${username}@example.org`, birthday: '1997-07-13' };
};

const send = (method: string, path: string, jar = new CookieJar(), body?: unknown, headers = {}) =>
  t.request(method, path, { body, headers: { ...jar.header(), ...headers } });

/** Status and key of a response, which must have a sentence, and nothing else. */
const keyOf = ({ status, body }: Answer): [number, string] => {
  expect(body).toEqual({ msg: expect.stringMatching(/^.{5,}$/), msg_key: expect.any(String) });
  return [status, body['msg_key']];
};

const register = (body: unknown) => send('POST', `${USERS}/register`, undefined, body);
const login = (jar: CookieJar, body: unknown, headers = {}) => send('POST', `${SESSION}/login`, jar, body, headers);

/** Registers a user and signs in. */
async function signedIn(fields = newUser()): Promise<{ jar: CookieJar; username: string; id: string }> {
  await register(fields);
  const jar = new CookieJar();
  jar.store((await login(jar, fields)).headers);
  const { body } = await send('GET', `${USERS}/me`, jar);
  return { jar, username: fields.username, id: body['uuid'] };
}

describe('the example requests of the manga site', () => {
  it('register, sign in, show the session, refresh it, and sign out everywhere', async () => {
    const user = newUser();
    expect(keyOf(await register(user))).toEqual([200, 'messages.user_created']);
    const jar = new CookieJar();
    const signIn = await login(jar, { username: user.username, password: user.password });
    expect(keyOf(signIn)).toEqual([200, 'messages.login_success']);
    const attributes = { httpOnly: true, path: '/', sameSite: 'lax', secure: true };
    expect(jar.store(signIn.headers)).toMatchObject({
      IdentityToken: { ...attributes, maxAge: 900 },
      RefreshToken: { ...attributes, maxAge: 7 * 86_400 },
    });

    const session = await send('GET', SESSION, jar);
    const now = Math.floor(t.clock.now() / 1000);
    expect([session.status, session.body]).toEqual([
      200,
      {
        id_valid_until: expect.closeTo(now + 900, -1),
        refresh_valid_until: expect.closeTo(now + 7 * 86_400, -1),
        user: {
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
          username: user.username,
          groups: [],
          permissions: expect.objectContaining({
            admin: false,
            early_access: false,
            manage_projects: false,
            upload_chapters: false,
            moderate_avatars: false,
            view_hidden: false,
          }),
        },
      },
    ]);

    const before = [jar.get('IdentityToken'), jar.get('RefreshToken')];
    const refreshed = await send('GET', `${SESSION}/refresh`, jar);
    expect(keyOf(refreshed)).toEqual([200, 'messages.session_refreshed']);
    expect(Object.keys(jar.store(refreshed.headers))).toEqual(['IdentityToken', 'RefreshToken']);
    expect([jar.get('IdentityToken'), jar.get('RefreshToken')]).not.toEqual(before);
    expect((await send('GET', SESSION, jar)).status).toBe(200);

    const logout = await send('POST', `${SESSION}/logout`, jar, { logout_all: true });
    expect(keyOf(logout)).toEqual([200, 'messages.logout_success']);
    expect(jar.store(logout.headers)).toMatchObject({ IdentityToken: { maxAge: 0 }, RefreshToken: { maxAge: 0 } });
    expect(jar.names).toEqual([]);
    expect(keyOf(await send('GET', SESSION, jar))).toEqual([400, 'errors.no_refresh_token_provided']);
  });

  it('show all users and one of them', async () => {
    const { jar, username, id } = await signedIn();
    const list = await send('GET', USERS, jar);
    expect(list.body).toEqual({ user_count: expect.any(Number), users: expect.objectContaining({ [id]: username }) });
    const { body } = await send('GET', `${USERS}/${id}`, jar);
    expect(body).toMatchObject({ uuid: id, username });
  });

  it('return the version', async () => {
    const { status, body } = await send('GET', '/api/version');
    expect([status, body]).toEqual([200, { version: expect.stringMatching(/^\d+\.\d+\.\d+/) }]);
  });
});

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
    expect(keyOf(await register({ ...newUser(), ...wrong }))).toEqual([400, key]);
  });

  it.each(['', '{', '[]', '"text"', 'null'])('answers 400 to the body %j', async (body) => {
    expect((await send('POST', `${USERS}/register`, undefined, body)).status).toBe(400);
  });

  it('answers 400 to a taken username and a taken e-mail address, whatever the case', async () => {
    const user = newUser();
    await register(user);
    const username = user.username.toUpperCase();
    expect(keyOf(await register({ ...user, username }))).toEqual([400, 'errors.username_taken']);
    const email = user.email.toUpperCase();
    expect(keyOf(await register({ ...newUser(), email }))).toEqual([400, 'errors.email_taken']);
  });

  it('ignores unknown and administrative fields, and takes a user without a birthday', async () => {
    const user = { ...newUser(), birthday: '', is_active: false, groups: ['admin'], permissions: ['admin'], id: 1 };
    expect(keyOf(await register(user))).toEqual([200, 'messages.user_created']);
    const token = await t.signIn(user.username, PASSWORD);
    const { body } = await t.request('GET', '/api/users/me', { token });
    expect(body).toMatchObject({ fullname: user.username, birthday: null, groups: [], permissions: { admin: false } });
  });
});

describe('POST /v1/Session/login', () => {
  it.each<[object, string]>([
    [{ password: PASSWORD }, 'errors.login_not_provided'],
    [{}, 'errors.login_not_provided'],
    [{ username: ['a'], password: PASSWORD }, 'errors.login_not_provided'],
    [{ username: 'someone' }, 'errors.password_not_providied'],
    [{ username: 'someone', password: 1 }, 'errors.password_not_providied'],
    [{ username: 'x'.repeat(400), password: PASSWORD }, 'errors.validation_error'],
  ])('answers 400 to %j', async (body, key) => {
    expect(keyOf(await login(new CookieJar(), body))).toEqual([400, key]);
  });

  it('accepts an e-mail address', async () => {
    const user = newUser();
    await register(user);
    expect(keyOf(await login(new CookieJar(), { username: user.email, password: PASSWORD }))[0]).toBe(200);
  });

  it('answers unknown users and wrong passwords alike, and sets no cookie', async () => {
    const { username } = await signedIn();
    const unknown = await login(new CookieJar(), { username: 'nobody-here', password: 'wrong password' });
    const wrong = await login(new CookieJar(), { username, password: 'wrong password' });
    expect(keyOf(unknown)).toEqual([400, 'errors.login_wrong_password']);
    expect(wrong.text).toBe(unknown.text);
    expect([unknown, wrong].flatMap(({ headers }) => headers.getSetCookie())).toEqual([]);
  });

  it('returns no token in the body', async () => {
    const user = newUser();
    await register(user);
    expect((await login(new CookieJar(), user)).text).not.toMatch(/eyJ/);
  });

  it('refuses pages of other sites and accepts the allowed origin', async () => {
    const user = newUser();
    await register(user);
    const refused = await login(new CookieJar(), user, { origin: 'https://evil.example' });
    expect(keyOf(refused)).toEqual([403, 'errors.foreign_origin']);
    expect(refused.headers.getSetCookie()).toEqual([]);
    const allowed = await login(new CookieJar(), user, { origin: 'https://manga.example.org' });
    expect(allowed.status).toBe(200);
  });

  it('counts failures together with the other sign-in routes and answers 429', async () => {
    const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
    const { username } = await limited.user();
    const body = { username, password: 'wrong password' };
    for (let i = 0; i < 5; i++)
      await limited.request('POST', '/api/sessions', { body: { login: username, password: 'x' } });
    const { status, headers, body: answer } = await limited.request('POST', `${SESSION}/login`, { body });
    expect([status, answer['msg_key'], Number(headers.get('retry-after'))]).toEqual([429, 'errors.rate_limited', 1]);
    await limited.stop();
  });

  it('sets cookies without Secure in development, for 400 days when tokens never expire', async () => {
    const app = await startApp({ env: { NODE_ENV: 'development', SWAGGER: 'off', LOG_LEVEL: 'silent' } });
    const { username } = await app.user();
    const answer = await app.request('POST', `${SESSION}/login`, { body: { username, password: PASSWORD } });
    const cookies = new CookieJar().store(answer.headers);
    for (const cookie of Object.values(cookies)) {
      expect(cookie).toMatchObject({ httpOnly: true, maxAge: 400 * 86_400 });
      expect(cookie.secure).toBeUndefined();
    }
    await app.stop();
  });
});

describe('GET /v1/Session', () => {
  it('answers 400 to a missing refresh token and to tokens that do not belong together', async () => {
    const { jar } = await signedIn();
    const { jar: other } = await signedIn();
    expect(keyOf(await send('GET', SESSION))).toEqual([400, 'errors.no_refresh_token_provided']);
    const identityOnly = await t.request('GET', SESSION, { headers: jar.header('IdentityToken') });
    expect(keyOf(identityOnly)).toEqual([400, 'errors.no_refresh_token_provided']);
    const [identity, refresh] = [jar.get('IdentityToken'), jar.get('RefreshToken')];
    for (const cookie of [
      `RefreshToken=${refresh}`,
      `IdentityToken=x; RefreshToken=${refresh}`,
      `IdentityToken=${identity}; RefreshToken=x`,
      `IdentityToken=${refresh}; RefreshToken=${identity}`,
      `IdentityToken=${identity}; RefreshToken=${identity}`,
      `IdentityToken=${identity}; RefreshToken=${other.get('RefreshToken')}`,
      `login-token=${identity}; RefreshToken=${refresh}`,
    ]) {
      expect(keyOf(await t.request('GET', SESSION, { headers: { cookie } }))).toEqual([400, 'errors.jwt_error']);
    }
    const bearer = { authorization: `Bearer ${identity}`, cookie: `RefreshToken=${refresh}` };
    expect(keyOf(await t.request('GET', SESSION, { headers: bearer }))).toEqual([400, 'errors.jwt_error']);
  });

  it('finds the valid cookies among stale ones of the same name', async () => {
    const { jar } = await signedIn();
    const cookie = `IdentityToken=stale; RefreshToken=stale; ${jar.header().cookie}`;
    expect((await t.request('GET', SESSION, { headers: { cookie } })).status).toBe(200);
  });

  it('returns the rights that the user has now', async () => {
    const { jar, id } = await signedIn();
    const token = await t.asAdmin();
    const body = { name: `Uploaders ${id}`, permissions: ['upload_chapters'] };
    const group = await t.request('POST', '/api/groups', { token, body });
    await t.request('PUT', `/api/groups/${group.body['id']}/members/${id}`, { token });
    const { body: session } = await send('GET', SESSION, jar);
    expect(session['user']).toMatchObject({
      groups: [body.name],
      permissions: { upload_chapters: true, admin: false },
    });
  });

  it('answers 400 when the identity token has expired, and a refresh helps', async () => {
    const { jar } = await signedIn();
    t.clock.advance(900_000);
    expect(keyOf(await send('GET', SESSION, jar))).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await send('POST', `${SESSION}/logout`, jar))).toEqual([400, 'errors.session_expired']);
    expect(keyOf(await send('GET', `${USERS}/me`, jar))).toEqual([400, 'errors.session_expired']);
    jar.store((await send('GET', `${SESSION}/refresh`, jar)).headers);
    expect((await send('GET', SESSION, jar)).status).toBe(200);
  });
});

describe('GET /v1/Session/refresh', () => {
  it('answers 400 without a refresh token, and to one that is none', async () => {
    const { jar } = await signedIn();
    expect(keyOf(await send('GET', `${SESSION}/refresh`))).toEqual([400, 'errors.no_refresh_token_provided']);
    for (const cookie of [`RefreshToken=x`, `RefreshToken=${jar.get('IdentityToken')}`]) {
      const answer = await t.request('GET', `${SESSION}/refresh`, { headers: { cookie } });
      expect(keyOf(answer)).toEqual([400, 'errors.jwt_error']);
    }
  });

  it('ends the session when a used refresh token is shown again', async () => {
    const { jar } = await signedIn();
    const stolen = jar.header('RefreshToken');
    for (let i = 0; i < 2; i++) jar.store((await send('GET', `${SESSION}/refresh`, jar)).headers);
    t.clock.advance(60_000);
    const reuse = await t.request('GET', `${SESSION}/refresh`, { headers: stolen });
    expect(keyOf(reuse)).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await send('GET', SESSION, jar))).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await send('GET', `${USERS}/me`, jar))).toEqual([400, 'errors.no_session']);
  });

  it('uses the newest of several cookies, so that a stale one does not look stolen', async () => {
    const { jar } = await signedIn();
    const stale = jar.get('RefreshToken');
    for (let i = 0; i < 2; i++) {
      t.clock.advance(60_000);
      jar.store((await send('GET', `${SESSION}/refresh`, jar)).headers);
    }
    const cookie = `RefreshToken=${stale}; ${jar.header('RefreshToken').cookie}`;
    const answer = await t.request('GET', `${SESSION}/refresh`, { headers: { cookie } });
    expect(keyOf(answer)).toEqual([200, 'messages.session_refreshed']);
  });

  it('refuses pages of other sites, although it is a GET', async () => {
    const { jar } = await signedIn();
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const refused = await send('GET', `${SESSION}/refresh`, jar, undefined, headers);
      expect(keyOf(refused)).toEqual([403, 'errors.foreign_origin']);
      expect(refused.headers.getSetCookie()).toEqual([]);
    }
    expect((await send('GET', `${SESSION}/refresh`, jar)).status).toBe(200);
  });
});

describe('POST /v1/Session/logout', () => {
  it('ends this session only, with the body "null" that the browser client sends', async () => {
    const user = newUser();
    const { jar } = await signedIn(user);
    const other = new CookieJar();
    other.store((await login(other, user)).headers);
    expect(keyOf(await send('POST', `${SESSION}/logout`, jar, 'null'))).toEqual([200, 'messages.logout_success']);
    expect(keyOf(await send('POST', `${SESSION}/logout`, jar, 'null'))).toEqual([400, 'errors.no_session']);
    expect((await send('GET', SESSION, other)).status).toBe(200);
  });

  it.each(['', '{', '[]', '{"logout_all":"no"}'])('ends this session only with the body %j', async (body) => {
    const user = newUser();
    const { jar } = await signedIn(user);
    const other = new CookieJar();
    other.store((await login(other, user)).headers);
    expect((await send('POST', `${SESSION}/logout`, jar, body)).status).toBe(200);
    expect((await send('GET', SESSION, other)).status).toBe(200);
  });

  it('ends all sessions of the user with logout_all, and writes an audit event', async () => {
    const user = newUser();
    const { jar, id } = await signedIn(user);
    const other = new CookieJar();
    other.store((await login(other, user)).headers);
    expect((await send('POST', `${SESSION}/logout`, jar, { logout_all: true })).status).toBe(200);
    expect(keyOf(await send('GET', SESSION, other))).toEqual([400, 'errors.jwt_error']);
    const { body } = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    expect(body['items'].map(({ action }: { action: string }) => action)).toContain('session.ended');
  });

  it('needs the cookie IdentityToken: no other cookie, no header, and no page of another site', async () => {
    const { jar } = await signedIn();
    const identity = jar.get('IdentityToken');
    for (const headers of [
      {},
      { cookie: 'IdentityToken=x' },
      { cookie: `login-token=${identity}` },
      { cookie: `IdentityToken=${jar.get('RefreshToken')}` },
      { authorization: `Bearer ${identity}` },
    ] as Record<string, string>[]) {
      const answer = await t.request('POST', `${SESSION}/logout`, { headers });
      expect(keyOf(answer)).toEqual([400, 'errors.no_session']);
    }
    const foreign = await send('POST', `${SESSION}/logout`, jar, {}, { origin: 'https://evil.example' });
    expect(keyOf(foreign)).toEqual([403, 'errors.foreign_origin']);
    expect((await send('GET', SESSION, jar)).status).toBe(200);
  });
});

describe('GET /v1/User', () => {
  it('needs a session', async () => {
    expect(keyOf(await send('GET', USERS))).toEqual([400, 'errors.no_session']);
    const { token } = await t.user();
    const answer = await t.request('GET', USERS, { token });
    expect(keyOf(answer)).toEqual([400, 'errors.no_session']);
  });

  it('returns pages in the order of the usernames, without deactivated users', async () => {
    const { jar } = await signedIn();
    for (let i = 0; i < 3; i++) await register(newUser());
    const removed = await t.user();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${removed.id}`, { token, body: { is_active: false } });
    const { body: all } = await send('GET', `${USERS}?page=1&pagesize=100`, jar);
    const usernames = Object.values(all['users'] as Record<string, string>);
    expect(usernames).not.toContain(removed.username);
    expect([usernames.length, usernames.toSorted()]).toEqual([all['user_count'], usernames]);
    const pages = [];
    for (let page = 1; page <= Math.ceil(usernames.length / 2); page++) {
      pages.push(
        ...Object.values((await send('GET', `${USERS}?page=${page}&pagesize=2`, jar)).body['users'] as object),
      );
    }
    expect(pages).toEqual(usernames);
    const { body: beyond } = await send('GET', `${USERS}?page=1000&cache=1`, jar);
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
    const { jar } = await signedIn();
    expect(keyOf(await send('GET', `${USERS}?${query}`, jar))).toEqual([400, 'errors.parameter_error']);
  });
});

describe('GET /v1/User/me and GET /v1/User/<uuid>', () => {
  it('return birthday and e-mail address to the user and to administrators only', async () => {
    const { jar, id, username } = await signedIn();
    const { jar: stranger } = await signedIn();
    const sparse = {
      uuid: id,
      username,
      avatar: null,
      groups: [],
      member_since: expect.stringMatching(/^\d\d\/\d\d\/\d{4}$/),
    };
    const full = { ...sparse, birthday: '1997-07-13', email: `${username}@example.org` };
    expect((await send('GET', `${USERS}/me`, jar)).body).toEqual(full);
    expect((await send('GET', `${USERS}/${id.toUpperCase()}`, jar)).body).toEqual(full);
    expect((await send('GET', `${USERS}/${id}`, stranger)).body).toEqual(sparse);
    const admin = new CookieJar();
    const boss = await t.user('admin');
    admin.store((await login(admin, { username: boss.username, password: PASSWORD })).headers);
    expect((await send('GET', `${USERS}/${id}`, admin)).body).toEqual(full);
    const { body } = await t.request('GET', `/api/audit?subject_id=${id}&action=user.viewed`, { token: boss.token });
    expect(body['items']).toHaveLength(1);
  });

  it('returns the date of registration as dd/mm/YYYY in UTC', async () => {
    t.clock.set(Date.parse('2026-03-05T23:30:00Z'));
    const { jar } = await signedIn();
    expect((await send('GET', `${USERS}/me`, jar)).body['member_since']).toBe('05/03/2026');
    t.clock.set(Date.now());
  });

  it('answer 404 to unknown and deactivated users and to words, and 400 without a session', async () => {
    const { jar, id } = await signedIn();
    const removed = await t.user();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${removed.id}`, { token, body: { is_active: false } });
    for (const wrong of [randomUUID(), removed.id, 'nobody', '1', '%20', `${id}x`]) {
      expect(keyOf(await send('GET', `${USERS}/${wrong}`, jar))).toEqual([404, 'errors.user_does_not_exist']);
    }
    for (const path of ['me', id])
      expect(keyOf(await send('GET', `${USERS}/${path}`))).toEqual([400, 'errors.no_session']);
  });
});

describe('the cookies of the manga site', () => {
  it('authenticate reads and the chat on canonical routes, and no change', async () => {
    const { jar, id, username } = await signedIn();
    const headers = jar.header();
    expect((await t.request('GET', '/api/users/me', { headers })).body['id']).toBe(id);
    for (const [method, path] of [
      ['PATCH', '/api/users/me'],
      ['DELETE', '/api/users/me'],
      ['DELETE', '/api/sessions'],
      ['DELETE', '/api/sessions/current'],
    ] as const) {
      expect((await t.request(method, path, { headers, body: {} })).body['code']).toBe('token_required');
    }
    const socket = await connect(t, {}, { headers });
    expect((await socket.get('self'))['username']).toBe(username);
    await socket.close();
    const refreshOnly = jar.header('RefreshToken');
    expect((await t.request('GET', '/api/users/me', { headers: refreshOnly })).body['code']).toBe('token_required');
  });

  it('stay below the size that browsers keep, for a user in 80 groups', async () => {
    const { jar, id } = await signedIn();
    const token = await t.asAdmin();
    for (let i = 0; i < 80; i++) {
      const body = { name: `${i} ${'ラ'.repeat(20)} ${id.slice(-8)}`, permissions: [] };
      const group = await t.request('POST', '/api/groups', { token, body });
      await t.request('PUT', `/api/groups/${group.body['id']}/members/${id}`, { token });
    }
    const { headers } = await send('GET', `${SESSION}/refresh`, jar);
    jar.store(headers);
    for (const cookie of headers.getSetCookie()) expect(Buffer.byteLength(cookie)).toBeLessThan(4096);
    expect((await send('GET', SESSION, jar)).body['user'].groups).toHaveLength(80);
  });
});
