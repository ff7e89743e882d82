import { getRounds } from 'bcrypt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const hana = { username: 'Hana.Sato', password: PASSWORD, fullname: 'Hana Sató', email: ' Hana@Example.ORG ' };
const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

describe('POST /api/users', () => {
  it('registers a user, who can sign in by username and by e-mail address', async () => {
    const details = { phone_number: '+81312345678', address: '1-1 Chiyoda', birthday: '1990-04-01' };
    const { status, body, headers } = await t.request('POST', '/api/users', { body: { ...hana, ...details } });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/users/${body['id']}`);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      username: 'Hana.Sato',
      fullname: 'Hana Sató',
      email: 'hana@example.org',
      email_verified: false,
      ...details,
      avatar_url: `/api/users/${body['id']}/avatar`,
      is_active: true,
      groups: [],
      permissions: expect.objectContaining({ admin: false, early_access: false }),
      early_access_days: 0,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      updated_at: body['created_at'],
    });
    await t.signIn('hana.SATO', PASSWORD);
    await t.signIn('HANA@example.org', PASSWORD);
  });

  it.each([
    ['a name taken in other letters', { username: 'hana.sato' }, 409, 'username_taken'],
    ['an e-mail taken in other letters', { username: 'other', email: 'HANA@EXAMPLE.org' }, 409, 'email_taken'],
    ['a common password', { password: 'Password1' }, 422, 'password_refused'],
    ['a password of 7 bytes', { password: 'zqxvkwp' }, 422, 'password_refused'],
    ['a password of 73 bytes', { password: 'é'.repeat(36) + 'x' }, 422, 'password_refused'],
    ['the username as password', { username: 'zqxvkwpz', password: 'ZQXVKWPZ' }, 422, 'password_refused'],
    ['the e-mail as password', { email: 'zq@example.org', password: 'zq@example.org' }, 422, 'password_refused'],
    ['a username of 2 letters', { username: 'ab' }, 422, 'validation_failed'],
    ['a username of 31 letters', { username: 'a'.repeat(31) }, 422, 'validation_failed'],
    ['a username with @', { username: 'a@b.org' }, 422, 'validation_failed'],
    ['a username with a letter of another script', { username: 'аdmin' }, 422, 'validation_failed'],
    ['a username that is no text', { username: 12345 }, 422, 'validation_failed'],
    ['an e-mail that is none', { email: 'nobody' }, 422, 'validation_failed'],
    ['an e-mail with a letter that only looks like k', { email: '\u212aim@example.org' }, 422, 'validation_failed'],
    ['an e-mail with quotes', { email: '"a@evil.example,"@example.org' }, 422, 'validation_failed'],
    ['an e-mail with invisible letters', { email: 'kim@example.org\ufeff' }, 422, 'validation_failed'],
    ['no full name', { fullname: undefined }, 422, 'validation_failed'],
    ['a blank full name', { fullname: '  ' }, 422, 'validation_failed'],
    ['a full name of two lines', { fullname: 'a\nb' }, 422, 'validation_failed'],
    ['a full name that turns text around', { fullname: 'a\u202eb' }, 422, 'validation_failed'],
    ['a local phone number', { phone_number: '0312345678' }, 422, 'validation_failed'],
    ['a day that is none', { birthday: '1990-02-30' }, 422, 'validation_failed'],
    ['a birthday to come', { birthday: '2999-01-01' }, 422, 'validation_failed'],
    ['permissions', { permissions: { admin: true } }, 422, 'validation_failed'],
    ['groups', { groups: ['Administrators'] }, 422, 'validation_failed'],
    ['role_id', { role_id: 1 }, 422, 'validation_failed'],
    ['verified', { verified: true }, 422, 'validation_failed'],
    ['an id', { id: UNKNOWN_ID }, 422, 'validation_failed'],
    ['created_at', { created_at: '2000-01-01' }, 422, 'validation_failed'],
    ['password_hash', { password_hash: 'x' }, 422, 'validation_failed'],
    ['is_active', { is_active: false }, 422, 'validation_failed'],
  ])('refuses %s', async (_, change, status, code) => {
    const fine = { username: 'somebody', password: PASSWORD, fullname: 'Some Body' };
    const answer = await t.request('POST', '/api/users', { body: { ...fine, ...change } });
    expect(answer.body).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('answers 422 with one error per invalid field', async () => {
    const { body } = await t.request('POST', '/api/users', { body: { username: '!', password: 5 } });
    const paths = (body['errors'] as { path: string }[]).map(({ path }) => path);
    expect(new Set(paths)).toEqual(new Set(['username', 'password', 'fullname']));
  });

  it('normalises passwords to NFC and does not trim them; accepts 72 bytes', async () => {
    const password = ' ' + 'e\u0301'.repeat(35) + ' '; // 72 bytes once composed
    await t.request('POST', '/api/users', { body: { username: 'composed', password, fullname: 'C' } });
    await t.signIn('composed', ' ' + '\u00e9'.repeat(35) + ' ');
    const { status } = await t.request('POST', '/api/sessions', {
      body: { login: 'composed', password: password.trim() },
    });
    expect(status).toBe(401);
  });

  it('stores bcrypt hashes of the configured cost', async () => {
    const [row] = await t.dataSource.query<{ password_hash: string }[]>(
      `select password_hash from users where username = 'hana.sato'`,
    );
    expect(getRounds(row!.password_hash)).toBe(t.config.BCRYPT_COST);
  });

  it('accepts any password of 1 to 72 bytes with PASSWORD_POLICY=off', async () => {
    const lax = await startApp({ env: { PASSWORD_POLICY: 'off' } });
    const register = (username: string, password: string) =>
      lax.request('POST', '/api/users', { body: { username, password, fullname: 'X' } });
    expect((await register('one', 'x')).status).toBe(201);
    expect((await register('two', 'x'.repeat(72))).status).toBe(201);
    expect((await register('three', '')).body['code']).toBe('password_refused');
    expect((await register('four', 'x'.repeat(73))).body['code']).toBe('password_refused');
    await lax.stop();
  });
});

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

  it('PATCH changes the e-mail address only with the current password, and revokes all sessions', async () => {
    const me = await t.user();
    const patch = (body: object) => t.request('PATCH', '/api/users/me', { token: me.token, body });
    expect((await patch({ email: 'new@example.org' })).body['code']).toBe('validation_failed');
    expect((await patch({ email: null })).body['code']).toBe('validation_failed');
    expect((await patch({ email: 'new@example.org', current_password: 'wrong' })).body['code']).toBe('wrong_password');
    expect((await patch({ email: 'ADMIN@example.org', current_password: PASSWORD })).body['email']).toBe(
      'admin@example.org',
    );
    expect((await t.request('GET', '/api/users/me', { token: me.token })).status).toBe(401); // every session ends with it
    const other = await t.user();
    const taken = await t.request('PATCH', '/api/users/me', {
      token: other.token,
      body: { email: 'admin@example.org', current_password: PASSWORD },
    });
    expect(taken.body).toMatchObject({ status: 409, code: 'email_taken' });
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

describe('GET /api/users', () => {
  const register = (username: string, fullname: string) =>
    t.request('POST', '/api/users', { body: { username, password: PASSWORD, fullname } });
  const search = async (query: string, token?: string) => {
    const answer = await t.request('GET', `/api/users?${query}`, { token: token ?? (await t.asAdmin()) });
    return answer.body['items'] as { username: string }[];
  };

  it('finds parts of names without regard to case and accents', async () => {
    await register('zoe', 'Zoé Müller');
    expect(await search('q=MULLER')).toEqual([
      {
        id: expect.any(String),
        username: 'zoe',
        fullname: 'Zoé Müller',
        avatar_url: expect.any(String),
        created_at: expect.any(String),
      },
    ]);
    expect((await search('q=zoé'))[0]?.username).toBe('zoe');
    expect((await search('q=ZOE%20mull'))[0]?.username).toBe('zoe');
  });

  it('treats %, _ and \\ as literal characters', async () => {
    await register('percent', '100% wool_knit \\o/');
    for (const q of ['0%25%20w', 'l_k', '%5Co']) expect(await search(`q=${q}`)).toHaveLength(1);
    for (const q of ['1%25wool', 'woo__knit', '%25%25', '%5C%5C']) expect(await search(`q=${q}`)).toEqual([]);
  });

  it('returns pages without gaps or repeats, in the order of usernames', async () => {
    for (const letter of 'EdCbA') await register(`page-${letter}`, 'Paged');
    const token = await t.asAdmin();
    const seen: string[] = [];
    const list = (query: string) => t.request('GET', `/api/users?q=paged&limit=2${query}`, { token });
    let cursor: string | null = '';
    do {
      const answer: Awaited<ReturnType<typeof list>> = await list(cursor && `&cursor=${cursor}`);
      seen.push(...(answer.body['items'] as { username: string }[]).map(({ username }) => username));
      cursor = answer.body['next_cursor'];
    } while (cursor);
    expect(seen).toEqual(['page-A', 'page-b', 'page-C', 'page-d', 'page-E']);
  });

  it('does not search e-mail addresses', async () => {
    expect(await search('q=example.org')).toEqual([]);
  });

  it('shows deactivated users to administrators only', async () => {
    const gone = await t.user();
    await t.request('PATCH', `/api/users/${gone.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const { token } = await t.user();
    expect(await search(`q=${gone.username}`, token)).toEqual([]);
    expect(await search(`q=${gone.username}`)).toHaveLength(1);
    expect((await t.request('GET', `/api/users/${gone.id}`, { token })).body['code']).toBe('user_not_found');
    expect((await t.request('GET', `/api/users/${gone.id}`, { token: await t.asAdmin() })).status).toBe(200);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=0x10',
    'limit=1e1',
    'limit=%207',
    'limit=1&limit=2',
    'limit=',
    'offset=5',
    'q[a]=b',
    'q=a&q=b',
    'q=',
  ])('answers 422 for ?%s', async (query) => {
    const answer = await t.request('GET', `/api/users?${query}`, { token: await t.asAdmin() });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    'x',
    '!!!',
    'bm90IGEgbmFtZQ',
    `${Buffer.from('hana').toString('base64url')}=`,
    Buffer.from("a' or 1=1").toString('base64url'),
  ])('answers 400 for the cursor %s', async (cursor) => {
    const answer = await t.request('GET', `/api/users?cursor=${cursor}`, { token: await t.asAdmin() });
    expect(answer.body).toMatchObject({ status: 400, code: 'invalid_cursor' });
  });
});

describe('/api/users/:id', () => {
  it('GET returns all fields to the user and to administrators, and the public fields to other users', async () => {
    const [me, other] = [await t.user(), await t.user('manage_projects', 'moderate_chat')];
    const path = `/api/users/${me.id}`;
    const open = {
      id: me.id,
      username: me.username,
      fullname: expect.any(String),
      avatar_url: expect.any(String),
      created_at: expect.any(String),
    };
    expect((await t.request('GET', path, { token: other.token })).body).toEqual(open);
    for (const token of [me.token, await t.asAdmin()]) {
      expect((await t.request('GET', path, { token })).body).toMatchObject({
        ...open,
        email: `${me.username}@example.org`,
      });
    }
  });

  it.each([
    '1',
    'me2',
    '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e4',
    '0199c2a45b1e7c3f8f213d5a9b7c1e42',
    '%00',
    "'",
    '{0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42}',
  ])('answers 400 for the id %s', async (id) => {
    const token = await t.asAdmin();
    for (const method of ['GET', 'DELETE']) {
      const answer = await t.request(method, `/api/users/${id}`, { token });
      expect(answer.body).toMatchObject({ status: 400, code: id === '%00' ? 'invalid_text' : 'invalid_id' });
    }
  });

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

it('no response and no log line contains a password, a hash or a token', async () => {
  const me = await t.user();
  const answers = await Promise.all([
    t.request('GET', '/api/users/me', { token: me.token }),
    t.request('GET', `/api/users/${me.id}`, { token: await t.asAdmin() }),
    t.request('GET', '/api/users', { token: await t.asAdmin() }),
    t.request('POST', '/api/users', { body: { username: me.username, password: PASSWORD, fullname: 'X' } }),
  ]);
  const hashes = await t.dataSource.query<{ password_hash: string }[]>('select password_hash from users');
  const secrets = [PASSWORD, me.token, ...hashes.map(({ password_hash }) => password_hash), 'password_hash'];
  const everything = [...answers.map(({ text }) => text), ...t.logLines].join('\n');
  expect(t.logLines.length).toBeGreaterThan(100);
  expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
});
