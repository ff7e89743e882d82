import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
afterAll(() => t.stop());

const TOKENS = { access_token: expect.any(String), refresh_token: expect.any(String), token_type: 'bearer' };

const post = (path: string, body: unknown, headers = {}) => t.request('POST', `/api/auth/${path}`, { body, headers });

const newUser = () => ({ email: `viewer.${randomUUID().slice(0, 8)}@example.org`, password: PASSWORD });

const me = (token: string) => t.request('GET', '/api/users/me', { token });

describe('the client of the anime site', () => {
  it('registers, signs in, reads its user, refreshes and signs out', async () => {
    const user = newUser();
    const registered = await post('register', user);
    expect([registered.status, registered.body]).toEqual([201, TOKENS]);
    expect((await me(registered.body['access_token'])).body).toMatchObject({ email: user.email });

    const signedIn = await post('login', user);
    expect([signedIn.status, signedIn.body]).toEqual([200, TOKENS]);
    expect(signedIn.headers.get('content-type')).toMatch(/^application\/json/);
    expect(signedIn.headers.getSetCookie()).toEqual([]);

    const { refresh_token } = signedIn.body as { refresh_token: string };
    const refreshed = await post('refresh', { refresh_token });
    expect([refreshed.status, refreshed.body]).toEqual([200, TOKENS]);
    expect(refreshed.body['refresh_token']).not.toBe(refresh_token);
    expect((await me(refreshed.body['access_token'])).status).toBe(200);

    for (let i = 0; i < 2; i++) {
      const { status, text } = await post('logout', { refresh_token: refreshed.body['refresh_token'] });
      expect([status, text]).toEqual([204, '']);
    }
    expect((await me(refreshed.body['access_token'])).body['code']).toBe('invalid_token');
    expect((await post('refresh', { refresh_token: refreshed.body['refresh_token'] })).body['code']).toBe(
      'invalid_token',
    );
    expect((await me(registered.body['access_token'])).status).toBe(200); // another device
  });
});

describe('POST /auth/register', () => {
  const usernameOf = async (email: string): Promise<string> => {
    const { status, body, text } = await post('register', { email, password: PASSWORD });
    expect([status, text]).toEqual([201, text]);
    return (await me(body['access_token'])).body['username'];
  };

  it.each([
    ['hana.sato@example.org', 'hana.sato'],
    ['Mika_Ito@example.org', 'mika_ito'],
    ['rin+anime@example.org', 'rin-anime'],
    ["o'hara@example.org", 'o-hara'],
    ['x@example.org', 'x--'],
    [`${'long'.repeat(16)}@example.org`, 'long'.repeat(16).slice(0, 30)],
  ])('makes a username from %s', async (email, username) => {
    expect(await usernameOf(email)).toBe(username);
  });

  it('makes the username unique when it is taken, whatever the case', async () => {
    await t.request('POST', '/api/users', { body: { username: 'TAKEN', fullname: 'Taken', password: PASSWORD } });
    const names = await Promise.all(['a', 'b', 'c'].map((host) => usernameOf(`taken@${host}.example`)));
    for (const name of names) expect(name).toMatch(/^taken-[0-9a-f]{8}$/);
    expect(new Set(names).size).toBe(3);
  });

  it('makes different usernames for concurrent registrations with one local part', async () => {
    const names = await Promise.all([...'abcdefgh'].map((host) => usernameOf(`race@${host}.example`)));
    expect(new Set(names).size).toBe(8);
    expect(names).toContain('race');
  });

  it('answers 409 to a taken address, 422 to invalid fields and 415 to a form', async () => {
    const user = newUser();
    await post('register', user);
    const taken = await post('register', { ...user, email: user.email.toUpperCase() });
    expect([taken.status, taken.body['code']]).toEqual([409, 'email_taken']);
    const refused = async (fields: object) => (await post('register', { ...newUser(), ...fields })).body['code'];
    expect(await refused({ email: 'nonsense' })).toBe('validation_failed');
    expect(await refused({ email: undefined })).toBe('validation_failed');
    expect(await refused({ password: 12345678 })).toBe('validation_failed');
    expect(await refused({ password: 'password1' })).toBe('password_refused');
    const form = await post('register', 'email=a', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(form.status).toBe(415);
  });

  it('ignores unknown and administrative fields', async () => {
    const { body } = await post('register', {
      ...newUser(),
      is_active: false,
      username: 'admin2',
      permissions: ['admin'],
    });
    expect((await me(body['access_token'])).body).toMatchObject({ permissions: { admin: false }, is_active: true });
  });

  it('mails the verification link and writes the audit events of the canonical routes', async () => {
    const user = newUser();
    const { body } = await post('register', user);
    const { id } = (await me(body['access_token'])).body;
    const { body: events } = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    expect(events['items'].map(({ action }) => action).toSorted()).toEqual(['session.opened', 'user.created']);
    const mails = await t.dataSource.query<unknown[]>(
      `select from email_verifications where user_id = $1 and expires_at > now()`,
      [id],
    );
    expect(mails).toHaveLength(1);
  });
});

describe('POST /auth/login', () => {
  it('answers unknown users and wrong passwords alike with 401', async () => {
    const user = newUser();
    await post('register', user);
    const unknown = await post('login', { email: 'nobody@example.org', password: 'wrong password' });
    const wrong = await post('login', { ...user, password: 'wrong password' });
    expect([unknown.status, unknown.body['code']]).toEqual([401, 'invalid_credentials']);
    const withoutId = ({ text }: Answer) => text.replace(/"request_id":"[^"]+"/, '');
    expect(withoutId(wrong)).toBe(withoutId(unknown));
  });

  it('is told apart from the chat app by the body', async () => {
    const user = newUser();
    await post('register', user);
    const token = (await post('login', user)).body['access_token'];
    const { username } = (await me(token)).body;
    const plain = ({ status, text, headers }: Answer) => [status, text, headers.get('content-type')];
    const TEXT = 'text/plain; charset=utf-8';
    expect(plain(await post('login', { username, password: PASSWORD }))).toEqual([202, 'login successful', TEXT]);
    expect(plain(await post('login', { username, ...user }))).toEqual([202, 'login successful', TEXT]);
    expect(plain(await post('login', { ...user, username: '' }))).toEqual([400, 'username should not be empty', TEXT]);
    expect(plain(await post('login', { password: PASSWORD }))).toEqual([400, 'username required', TEXT]);
    expect(plain(await post('login', []))).toEqual([400, 'username required', TEXT]);
    expect(plain(await post('login', '{'))).toEqual([400, 'not a valid json', TEXT]);
    for (const body of [{ email: user.email }, { email: null, password: PASSWORD }, { email: 'hana', password: 'x' }]) {
      const { status, headers, body: problem } = await post('login', body);
      expect([status, problem['code']]).toEqual([422, 'validation_failed']);
      expect(headers.get('content-type')).toBe('application/problem+json');
    }
  });

  it('refuses pages of other sites in the format of the body', async () => {
    const origin = { origin: 'https://evil.example' };
    const { status, body } = await post('login', newUser(), origin);
    expect([status, body['code']]).toEqual([403, 'foreign_origin']);
    const chatapp = await post('login', { username: 'a', password: 'b' }, origin);
    expect([chatapp.status, chatapp.headers.get('content-type')]).toEqual([403, 'text/plain; charset=utf-8']);
  });

  it('counts failures together with the other sign-in routes and answers 429', async () => {
    const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
    const { username } = await limited.user();
    const body = { email: `${username}@example.org`, password: 'wrong password' };
    const statuses = [];
    for (let i = 0; i < 6; i++) statuses.push((await limited.request('POST', '/api/auth/login', { body })).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    await limited.stop();
  });
});

describe('POST /auth/refresh and POST /auth/logout', () => {
  it('detect the reuse of a refresh token and end the session', async () => {
    const { body } = await post('register', newUser());
    const first = { refresh_token: body['refresh_token'] };
    const second = (await post('refresh', first)).body;
    await post('refresh', { refresh_token: second['refresh_token'] });
    t.clock.advance(60_000);
    expect((await post('refresh', first)).body).toMatchObject({ status: 401, code: 'token_reused' });
    expect((await me(second['access_token'])).body['code']).toBe('invalid_token');
  });

  it('answer 401 to tokens that are not ours and 422 to a missing one', async () => {
    const { body } = await post('register', newUser());
    for (const path of ['refresh', 'logout']) {
      expect((await post(path, { refresh_token: 'x' })).body).toMatchObject({ status: 401, code: 'invalid_token' });
      expect((await post(path, {})).body['code']).toBe('validation_failed');
      expect((await post(path, { refresh_token: 5 })).body['code']).toBe('validation_failed');
    }
    expect((await post('refresh', { refresh_token: body['access_token'] })).body['code']).toBe('invalid_token');
  });
});
