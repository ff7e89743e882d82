import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

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

  it('sends the same bytes for a user as GET /api/users/:id', async () => {
    const { token } = await t.user();
    await register('escapes', 'A "b" \\c/ \u{1f600} é');
    const { text, body } = await t.request('GET', '/api/users?q=escapes', { token });
    const alone = await t.request('GET', `/api/users/${body['items'][0]!.id}`, { token });
    expect(text).toBe(`{"items":[${alone.text}],"next_cursor":null}`);
    expect((await t.request('GET', '/api/users?q=nobody-has-this', { token })).text).toBe(
      '{"items":[],"next_cursor":null}',
    );
  });

  it('sends avatars as GET /api/users/:id does', async () => {
    const { id, username, token } = await t.user();
    await t.dataSource.query(
      `with avatar as (insert into avatars (id, user_id, state, hash, resembles_rejected, created_at)
        values ($1, $1, 'approved', repeat('0', 128)::bit(128), false, now()) returning id)
      update users set avatar_id = avatar.id from avatar where users.id = $1`,
      [id],
    );
    const { text } = await t.request('GET', `/api/users?q=${username}`, { token: (await t.user()).token });
    expect(text).toContain(`"avatar_url":"/api/avatars/${id}/256.webp"`);
    expect((await t.request('GET', `/api/users/${id}`, { token })).text).toContain(
      `"avatar_url":"/api/avatars/${id}/256.webp"`,
    );
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

  it('of requests at the same time, shows deactivated users to those of administrators only', async () => {
    const gone = await t.user();
    await t.request('PATCH', `/api/users/${gone.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const before = Buffer.from(gone.username.slice(0, -1)).toString('base64url');
    const { token } = await t.user();
    const admin = await t.asAdmin();
    const list = (i: number) =>
      t.request('GET', `/api/users?limit=100&cursor=${before}`, { token: i % 2 ? token : admin });
    const pages = await Promise.all(Array.from({ length: 10 }, (_, i) => list(i)));
    const shown = pages.map(({ body }) => (body['items'] as { id: string }[]).some(({ id }) => id === gone.id));
    expect(shown).toEqual(shown.map((_, i) => i % 2 === 0));
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
});

it('no response and no log line contains a password, a hash or a token', async () => {
  await t.warmUp(); // adds log lines
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
