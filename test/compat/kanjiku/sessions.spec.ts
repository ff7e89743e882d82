import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { connect } from '../../support/clients/chat-client.js';
import { CookieJar } from '../../support/clients/cookie-jar.js';
import { KanjikuClient, keyOf, newUser, SESSION, USERS } from '../../support/clients/kanjiku-client.js';

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

describe('the example requests of the manga site', () => {
  it('register, sign in, show the session, refresh it, and sign out everywhere', async () => {
    const user = newUser();
    expect(keyOf(await site.register(user))).toEqual([200, 'messages.user_created']);
    const jar = new CookieJar();
    const signIn = await site.login(jar, { username: user.username, password: user.password });
    expect(keyOf(signIn)).toEqual([200, 'messages.login_success']);
    const attributes = { httpOnly: true, path: '/', sameSite: 'lax', secure: true };
    expect(jar.store(signIn.headers)).toMatchObject({
      IdentityToken: { ...attributes, maxAge: 900 },
      RefreshToken: { ...attributes, maxAge: 7 * 86_400 },
    });

    const session = await site.send('GET', SESSION, jar);
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
    const refreshed = await site.send('GET', `${SESSION}/refresh`, jar);
    expect(keyOf(refreshed)).toEqual([200, 'messages.session_refreshed']);
    expect(Object.keys(jar.store(refreshed.headers))).toEqual(['IdentityToken', 'RefreshToken']);
    expect([jar.get('IdentityToken'), jar.get('RefreshToken')]).not.toEqual(before);
    expect((await site.send('GET', SESSION, jar)).status).toBe(200);

    const logout = await site.send('POST', `${SESSION}/logout`, jar, { logout_all: true });
    expect(keyOf(logout)).toEqual([200, 'messages.logout_success']);
    expect(jar.store(logout.headers)).toMatchObject({ IdentityToken: { maxAge: 0 }, RefreshToken: { maxAge: 0 } });
    expect(jar.names).toEqual([]);
    expect(keyOf(await site.send('GET', SESSION, jar))).toEqual([400, 'errors.no_refresh_token_provided']);
  });

  it('show all users and one of them', async () => {
    const { jar, username, id } = await site.signedIn();
    const list = await site.send('GET', USERS, jar);
    expect(list.body).toEqual({ user_count: expect.any(Number), users: expect.objectContaining({ [id]: username }) });
    const { body } = await site.send('GET', `${USERS}/${id}`, jar);
    expect(body).toMatchObject({ uuid: id, username });
  });

  it('return the version', async () => {
    const { status, body } = await site.send('GET', '/api/version');
    expect([status, body]).toEqual([200, { version: expect.stringMatching(/^\d+\.\d+\.\d+/) }]);
  });
});

describe('POST /v1/Session/login', () => {
  it.each<[object, string]>([
    [{ password: PASSWORD }, 'errors.login_not_provided'],
    [{}, 'errors.login_not_provided'],
    [{ username: ['a'], password: PASSWORD }, 'errors.login_not_provided'],
    [{ username: 'someone' }, 'errors.password_not_providied'],
    [{ username: 'someone', password: 1 }, 'errors.password_not_providied'],
    [{ username: 'x'.repeat(400), password: PASSWORD }, 'errors.login_wrong_password'],
    [{ username: 'someone', password: 'x'.repeat(2000) }, 'errors.login_wrong_password'],
  ])('answers 400 to %j', async (body, key) => {
    expect(keyOf(await site.login(new CookieJar(), body))).toEqual([400, key]);
  });

  it('accepts an e-mail address', async () => {
    const user = newUser();
    await site.register(user);
    expect(keyOf(await site.login(new CookieJar(), { username: user.email, password: PASSWORD }))[0]).toBe(200);
  });

  it('answers unknown users and wrong passwords alike, and sets no cookie', async () => {
    const { username } = await site.signedIn();
    const unknown = await site.login(new CookieJar(), { username: 'nobody-here', password: 'wrong password' });
    const wrong = await site.login(new CookieJar(), { username, password: 'wrong password' });
    expect(keyOf(unknown)).toEqual([400, 'errors.login_wrong_password']);
    expect(wrong.text).toBe(unknown.text);
    expect([unknown, wrong].flatMap(({ headers }) => headers.getSetCookie())).toEqual([]);
  });

  it('returns no token in the body', async () => {
    const user = newUser();
    await site.register(user);
    expect((await site.login(new CookieJar(), user)).text).not.toMatch(/eyJ/);
  });

  it('refuses pages of other sites and accepts the allowed origin', async () => {
    const user = newUser();
    await site.register(user);
    const refused = await site.login(new CookieJar(), user, { origin: 'https://evil.example' });
    expect(keyOf(refused)).toEqual([403, 'errors.foreign_origin']);
    expect(refused.headers.getSetCookie()).toEqual([]);
    const allowed = await site.login(new CookieJar(), user, { origin: 'https://manga.example.org' });
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
    const { jar } = await site.signedIn();
    const { jar: other } = await site.signedIn();
    expect(keyOf(await site.send('GET', SESSION))).toEqual([400, 'errors.no_refresh_token_provided']);
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
    const { jar } = await site.signedIn();
    const cookie = `IdentityToken=stale; RefreshToken=stale; ${jar.header().cookie}`;
    expect((await t.request('GET', SESSION, { headers: { cookie } })).status).toBe(200);
  });

  it('returns the rights that the user has now', async () => {
    const { jar, id } = await site.signedIn();
    const token = await t.asAdmin();
    const body = { name: `Uploaders ${id}`, permissions: ['upload_chapters'] };
    const group = await t.request('POST', '/api/groups', { token, body });
    await t.request('PUT', `/api/groups/${group.body['id']}/members/${id}`, { token });
    const { body: session } = await site.send('GET', SESSION, jar);
    expect(session['user']).toMatchObject({
      groups: [body.name],
      permissions: { upload_chapters: true, admin: false },
    });
  });

  it('answers 400 when the identity token has expired, and a refresh helps', async () => {
    const { jar } = await site.signedIn();
    t.clock.advance(900_000);
    expect(keyOf(await site.send('GET', SESSION, jar))).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await site.send('POST', `${SESSION}/logout`, jar))).toEqual([400, 'errors.session_expired']);
    expect(keyOf(await site.send('GET', `${USERS}/me`, jar))).toEqual([400, 'errors.session_expired']);
    jar.store((await site.send('GET', `${SESSION}/refresh`, jar)).headers);
    expect((await site.send('GET', SESSION, jar)).status).toBe(200);
  });
});

describe('GET /v1/Session/refresh', () => {
  it('answers 400 without a refresh token, and to one that is none', async () => {
    const { jar } = await site.signedIn();
    expect(keyOf(await site.send('GET', `${SESSION}/refresh`))).toEqual([400, 'errors.no_refresh_token_provided']);
    for (const cookie of [`RefreshToken=x`, `RefreshToken=${jar.get('IdentityToken')}`]) {
      const answer = await t.request('GET', `${SESSION}/refresh`, { headers: { cookie } });
      expect(keyOf(answer)).toEqual([400, 'errors.jwt_error']);
    }
  });

  it('ends the session when a used refresh token is shown again', async () => {
    const { jar } = await site.signedIn();
    const stolen = jar.header('RefreshToken');
    for (let i = 0; i < 2; i++) jar.store((await site.send('GET', `${SESSION}/refresh`, jar)).headers);
    t.clock.advance(60_000);
    const reuse = await t.request('GET', `${SESSION}/refresh`, { headers: stolen });
    expect(keyOf(reuse)).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await site.send('GET', SESSION, jar))).toEqual([400, 'errors.jwt_error']);
    expect(keyOf(await site.send('GET', `${USERS}/me`, jar))).toEqual([400, 'errors.no_session']);
  });

  it('uses the newest of several cookies, so that a stale one does not look stolen', async () => {
    const { jar } = await site.signedIn();
    const stale = jar.get('RefreshToken');
    for (let i = 0; i < 2; i++) {
      t.clock.advance(60_000);
      jar.store((await site.send('GET', `${SESSION}/refresh`, jar)).headers);
    }
    const cookie = `RefreshToken=${stale}; ${jar.header('RefreshToken').cookie}`;
    const answer = await t.request('GET', `${SESSION}/refresh`, { headers: { cookie } });
    expect(keyOf(answer)).toEqual([200, 'messages.session_refreshed']);
  });

  it('uses the newest of several cookies of one second, whatever their order', async () => {
    t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000);
    const { jar } = await site.signedIn();
    const stale = jar.get('RefreshToken');
    for (let i = 0; i < 2; i++) jar.store((await site.send('GET', `${SESSION}/refresh`, jar)).headers);
    for (const order of ['stale first', 'stale last']) {
      const cookies = [`RefreshToken=${stale}`, jar.header('RefreshToken').cookie];
      const cookie = (order === 'stale first' ? cookies : cookies.toReversed()).join('; ');
      const answer = await t.request('GET', `${SESSION}/refresh`, { headers: { cookie } });
      expect([order, ...keyOf(answer)]).toEqual([order, 200, 'messages.session_refreshed']);
      jar.store(answer.headers);
    }
    t.clock.run();
  });

  it('changes nothing on HEAD', async () => {
    const { jar } = await site.signedIn();
    const head = await site.send('HEAD', `${SESSION}/refresh`, jar);
    expect([head.status, head.headers.getSetCookie()]).toEqual([404, []]);
    const session = await site.send('GET', SESSION, jar);
    expect(session.status).toBe(200);
  });

  it('refuses pages of other sites, although it is a GET', async () => {
    const { jar } = await site.signedIn();
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const refused = await site.send('GET', `${SESSION}/refresh`, jar, undefined, headers);
      expect(keyOf(refused)).toEqual([403, 'errors.foreign_origin']);
      expect(refused.headers.getSetCookie()).toEqual([]);
    }
    expect((await site.send('GET', `${SESSION}/refresh`, jar)).status).toBe(200);
  });
});

describe('POST /v1/Session/logout', () => {
  it('ends this session only, with the body "null" that the browser client sends', async () => {
    const user = newUser();
    const { jar } = await site.signedIn(user);
    const other = new CookieJar();
    other.store((await site.login(other, user)).headers);
    expect(keyOf(await site.send('POST', `${SESSION}/logout`, jar, 'null'))).toEqual([200, 'messages.logout_success']);
    expect(keyOf(await site.send('POST', `${SESSION}/logout`, jar, 'null'))).toEqual([400, 'errors.no_session']);
    expect((await site.send('GET', SESSION, other)).status).toBe(200);
  });

  it.each(['', '{', '[]', '{"logout_all":"no"}'])('ends this session only with the body %j', async (body) => {
    const user = newUser();
    const { jar } = await site.signedIn(user);
    const other = new CookieJar();
    other.store((await site.login(other, user)).headers);
    expect((await site.send('POST', `${SESSION}/logout`, jar, body)).status).toBe(200);
    expect((await site.send('GET', SESSION, other)).status).toBe(200);
  });

  it('ends all sessions of the user with logout_all, and writes an audit event', async () => {
    const user = newUser();
    const { jar, id } = await site.signedIn(user);
    const other = new CookieJar();
    other.store((await site.login(other, user)).headers);
    expect((await site.send('POST', `${SESSION}/logout`, jar, { logout_all: true })).status).toBe(200);
    expect(keyOf(await site.send('GET', SESSION, other))).toEqual([400, 'errors.jwt_error']);
    const { body } = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    expect(body['items'].map(({ action }: { action: string }) => action)).toContain('session.ended');
  });

  it('needs the cookie IdentityToken: no other cookie, no header, and no page of another site', async () => {
    const { jar } = await site.signedIn();
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
    const foreign = await site.send('POST', `${SESSION}/logout`, jar, {}, { origin: 'https://evil.example' });
    expect(keyOf(foreign)).toEqual([403, 'errors.foreign_origin']);
    expect((await site.send('GET', SESSION, jar)).status).toBe(200);
  });
});

describe('the cookies of the manga site', () => {
  it('authenticate reads and the chat on canonical routes, and no change', async () => {
    const { jar, id, username } = await site.signedIn();
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
    const { jar, id } = await site.signedIn();
    const token = await t.asAdmin();
    for (let i = 0; i < 80; i++) {
      const body = { name: `${i} ${'ラ'.repeat(20)} ${id.slice(-8)}`, permissions: [] };
      const group = await t.request('POST', '/api/groups', { token, body });
      await t.request('PUT', `/api/groups/${group.body['id']}/members/${id}`, { token });
    }
    const { headers } = await site.send('GET', `${SESSION}/refresh`, jar);
    jar.store(headers);
    for (const cookie of headers.getSetCookie()) expect(Buffer.byteLength(cookie)).toBeLessThan(4096);
    expect((await site.send('GET', SESSION, jar)).body['user'].groups).toHaveLength(80);
  });
});
