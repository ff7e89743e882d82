import { describe, expect, it } from 'vitest';
import { CookieJar } from '../support/clients/cookie-jar.js';
import { type Answer, Client, PASSWORD, uniqueName } from './client.js';

/** The example requests of the manga site, which keeps its tokens in two cookies. */
const client = new Client();
const [USERS, SESSION] = ['/api/v1/User', '/api/v1/Session'];

const send = (method: string, path: string, jar: CookieJar, body?: unknown, headers = {}): Promise<Answer> =>
  client.request(method, path, { body, headers: { ...jar.header(), ...headers } });

const keyOf = ({ status, body }: Answer): unknown[] => [status, Object.keys(body).toSorted(), body['msg_key']];
const key = (status: number, name: string): unknown[] => [status, ['msg', 'msg_key'], name];

const newUser = () => {
  const username = uniqueName();
  return { username, password: PASSWORD, email: `${username}@example.org`, birthday: '1997-07-13' };
};

describe('the manga site', () => {
  it('registers, signs in, shows its main screen, refreshes and signs out', async () => {
    const [jar, user] = [new CookieJar(), newUser()];
    expect(keyOf(await send('POST', `${USERS}/register`, jar, user))).toEqual(key(200, 'messages.user_created'));
    const login = await send('POST', `${SESSION}/login`, jar, { username: user.username, password: PASSWORD });
    expect(keyOf(login)).toEqual(key(200, 'messages.login_success'));
    const attributes = { httpOnly: true, path: '/', sameSite: 'lax', secure: true };
    expect(jar.store(login.headers)).toMatchObject({
      IdentityToken: { ...attributes, maxAge: 15 },
      RefreshToken: { ...attributes, maxAge: 30 },
    });

    const session = await send('GET', SESSION, jar);
    expect([session.status, Object.keys(session.body)]).toEqual([
      200,
      ['id_valid_until', 'refresh_valid_until', 'user'],
    ]);
    expect(session.body['user']).toMatchObject({ username: user.username, groups: [], permissions: { admin: false } });
    const { uid } = session.body['user'] as { uid: string };
    const list = await send('GET', `${USERS}?page=1&pagesize=5`, jar);
    expect([list.status, Object.keys(list.body)]).toEqual([200, ['user_count', 'users']]);
    for (const path of ['me', uid]) {
      expect((await send('GET', `${USERS}/${path}`, jar)).body).toMatchObject({
        uuid: uid,
        username: user.username,
        birthday: user.birthday,
        email: user.email,
        member_since: expect.stringMatching(/^\d\d\/\d\d\/\d{4}$/),
      });
    }

    const refresh = await send('GET', `${SESSION}/refresh`, jar);
    expect(keyOf(refresh)).toEqual(key(200, 'messages.session_refreshed'));
    expect(Object.keys(jar.store(refresh.headers))).toEqual(['IdentityToken', 'RefreshToken']);
    expect((await client.request('GET', '/api/users/me', { headers: jar.header() })).body['id']).toBe(uid);

    const logout = await send('POST', `${SESSION}/logout`, jar, 'null', { 'content-type': 'application/json' });
    expect(keyOf(logout)).toEqual(key(200, 'messages.logout_success'));
    jar.store(logout.headers);
    expect(jar.names).toEqual([]);
    expect((await client.get('/api/version')).body).toEqual({ version: expect.any(String) });
  });

  it('gets the documented keys for its errors', async () => {
    const [none, jar, user] = [new CookieJar(), new CookieJar(), newUser()];
    await send('POST', `${USERS}/register`, none, user);
    jar.store((await send('POST', `${SESSION}/login`, none, user)).headers);
    const refusals: [string, string, CookieJar, unknown, number, string][] = [
      ['POST', `${USERS}/register`, none, {}, 400, 'missing_parameters'],
      ['POST', `${USERS}/register`, none, { ...newUser(), birthday: 'x' }, 400, 'birthday_invalid'],
      ['POST', `${USERS}/register`, none, { ...newUser(), username: '!' }, 400, 'username_invalid'],
      ['POST', `${USERS}/register`, none, { ...newUser(), username: user.username }, 400, 'username_taken'],
      ['POST', `${USERS}/register`, none, { ...newUser(), email: 'x' }, 400, 'email_invalid'],
      ['POST', `${USERS}/register`, none, { ...newUser(), email: user.email }, 400, 'email_taken'],
      ['POST', `${USERS}/register`, none, { ...newUser(), password: 'x' }, 400, 'validation_error'],
      ['POST', `${SESSION}/login`, none, {}, 400, 'login_not_provided'],
      ['POST', `${SESSION}/login`, none, { username: 'x' }, 400, 'password_not_providied'],
      ['POST', `${SESSION}/login`, none, { username: uniqueName(), password: 'x' }, 400, 'login_wrong_password'],
      ['POST', `${SESSION}/login`, none, { ...user, password: 'x' }, 400, 'login_wrong_password'],
      ['GET', SESSION, none, undefined, 400, 'no_refresh_token_provided'],
      ['GET', `${SESSION}/refresh`, none, undefined, 400, 'no_refresh_token_provided'],
      ['POST', `${SESSION}/logout`, none, {}, 400, 'no_session'],
      ['GET', USERS, none, undefined, 400, 'no_session'],
      ['GET', `${USERS}?page=x`, jar, undefined, 400, 'parameter_error'],
      ['GET', `${USERS}/0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42`, jar, undefined, 404, 'user_does_not_exist'],
    ];
    for (const [method, path, cookies, body, status, name] of refusals) {
      expect(keyOf(await send(method, path, cookies, body))).toEqual(key(status, `errors.${name}`));
    }
    const junk = { cookie: 'IdentityToken=x; RefreshToken=x' };
    for (const path of [SESSION, `${SESSION}/refresh`]) {
      expect(keyOf(await client.request('GET', path, { headers: junk }))).toEqual(key(400, 'errors.jwt_error'));
    }
  });

  it('refuses changes that pages of other sites send', async () => {
    const origin = { origin: 'https://evil.example' };
    for (const [method, path] of [
      ['POST', `${SESSION}/login`],
      ['GET', `${SESSION}/refresh`],
      ['POST', `${SESSION}/logout`],
    ] as const) {
      const answer = await send(method, path, new CookieJar(), undefined, origin);
      expect(keyOf(answer)).toEqual(key(403, 'errors.foreign_origin'));
    }
  });
});
