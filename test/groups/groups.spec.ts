import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

/** A request of the administrator. */
const admin = async <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
  t.request(method, path, { token: await t.asAdmin(), body });

let counter = 0;
async function makeGroup(body: object = {}): Promise<string> {
  const answer = await admin('POST', '/api/groups', { name: `Group ${++counter}`, ...body });
  expect(answer.status).toBe(201);
  return answer.body['id'];
}

const me = async (token: string) => (await t.request('GET', '/api/users/me', { token })).body;

describe('/api/groups', () => {
  it('creates, returns, changes and deletes a group', async () => {
    const created = await admin('POST', '/api/groups', { name: '  Translators ', permissions: ['upload_chapters'] });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/api/groups/${created.body['id']}`);
    const group = {
      id: created.body['id'],
      name: 'Translators',
      permissions: ['upload_chapters'],
      early_access_days: 0,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    };
    expect(created.body).toEqual(group);
    const path = `/api/groups/${created.body['id']}`;
    expect((await admin('GET', path)).body).toEqual(group);
    const changes = { permissions: ['view_hidden', 'early_access'], early_access_days: 7 };
    expect((await admin('PATCH', path, changes)).body).toMatchObject({ name: 'Translators', ...changes });
    expect((await admin('PATCH', path, {})).body).toMatchObject({ name: 'Translators', ...changes });
    expect((await admin('DELETE', path)).status).toBe(204);
    expect((await admin('GET', path)).body).toMatchObject({ status: 404, code: 'group_not_found' });
  });

  it('answers 409 for a name that is taken, without regard to case', async () => {
    await makeGroup({ name: 'Readers' });
    const id = await makeGroup();
    expect((await admin('POST', '/api/groups', { name: 'READERS' })).body).toMatchObject({
      status: 409,
      code: 'group_name_taken',
    });
    expect((await admin('PATCH', `/api/groups/${id}`, { name: 'readers' })).body['code']).toBe('group_name_taken');
  });

  it.each([
    {},
    { name: '' },
    { name: 'x'.repeat(65) },
    { name: 'a\u0007b' },
    { name: 5 },
    { name: 'X', permissions: ['root'] },
    { name: 'X', permissions: ['__proto__'] },
    { name: 'X', permissions: 'admin' },
    { name: 'X', permissions: null },
    { name: 'X', permissions: ['admin', 'admin'] },
    { name: 'X', permissions: [['admin']] },
    { name: 'X', permissions: { 0: 'admin' } },
    { name: 'X', early_access_days: -1 },
    { name: 'X', early_access_days: 366 },
    { name: 'X', early_access_days: 1.5 },
    { name: 'X', early_access_days: '3' },
    { name: 'X', members: [] },
    { name: 'X', id: UNKNOWN_ID },
  ])('POST answers 422 for %j', async (body) => {
    expect((await admin('POST', '/api/groups', body)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('GET returns pages of groups, oldest first', async () => {
    const before = (await admin('GET', '/api/groups?limit=100')).body['items'] as unknown[];
    for (let i = 0; i < 3; i++) await makeGroup();
    const seen: string[] = [];
    const list = (query: string) => admin('GET', `/api/groups?limit=2${query}`);
    let cursor: string | null = '';
    do {
      const { body }: Awaited<ReturnType<typeof list>> = await list(cursor && `&cursor=${cursor}`);
      seen.push(...(body['items'] as { id: string }[]).map(({ id }) => id));
      cursor = body['next_cursor'];
    } while (cursor);
    expect(seen).toHaveLength(before.length + 3);
    expect(seen).toEqual(seen.toSorted());
    expect((await admin('GET', '/api/groups?cursor=zzz')).body['code']).toBe('invalid_cursor');
  });

  it('GET returns to members their own groups only', async () => {
    const user = await t.user();
    const [mine, other] = [await makeGroup(), await makeGroup()];
    await admin('PUT', `/api/groups/${mine}/members/${user.id}`);
    const get = (path: string) => t.request('GET', path, { token: user.token });
    expect(((await get('/api/groups')).body['items'] as { id: string }[]).map(({ id }) => id)).toEqual([mine]);
    expect((await get(`/api/groups/${mine}`)).status).toBe(200);
    expect((await get(`/api/groups/${other}`)).body).toMatchObject({ status: 404, code: 'group_not_found' });
    expect((await get(`/api/groups/${mine}/members`)).body).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it('answers 404 for unknown groups and 400 for invalid ids', async () => {
    const user = await t.user();
    const routes: [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { name: 'X' }],
      ['DELETE', ''],
      ['GET', '/members'],
      ['PUT', `/members/${user.id}`],
    ];
    for (const [method, rest, body] of routes) {
      expect((await admin(method, `/api/groups/${UNKNOWN_ID}${rest}`, body)).body['code']).toBe('group_not_found');
      expect((await admin(method, `/api/groups/1${rest}`, body)).body['code']).toBe('invalid_id');
    }
  });
});

describe('/api/groups/:id/members/:user_id', () => {
  it('grants and withdraws permissions with the next request', async () => {
    const user = await t.user();
    const id = await makeGroup({ permissions: ['manage_projects'], early_access_days: 3 });
    const member = `/api/groups/${id}/members/${user.id}`;
    expect((await me(user.token))['permissions']).toMatchObject({ manage_projects: false, early_access: false });
    for (let i = 0; i < 2; i++) expect((await admin('PUT', member)).status).toBe(204);
    expect(await me(user.token)).toMatchObject({
      groups: [{ id, name: expect.any(String) }],
      permissions: { manage_projects: true, early_access: true, admin: false, view_hidden: false },
      early_access_days: 3,
    });
    await admin('PATCH', `/api/groups/${id}`, { permissions: ['view_hidden'], early_access_days: 0 });
    expect((await me(user.token))['permissions']).toMatchObject({
      manage_projects: false,
      early_access: false,
      view_hidden: true,
    });
    expect((await admin('GET', `/api/groups/${id}/members`)).body).toEqual({
      items: [
        {
          id: user.id,
          username: user.username,
          fullname: expect.any(String),
          avatar_url: `/api/users/${user.id}/avatar`,
          created_at: expect.any(String),
        },
      ],
      next_cursor: null,
    });
    expect((await admin('DELETE', member)).status).toBe(204);
    expect((await admin('DELETE', member)).body).toMatchObject({ status: 404, code: 'member_not_found' });
    expect((await me(user.token))['permissions']).toMatchObject({ view_hidden: false });
  });

  it('a member of several groups has the union of their permissions and the largest number of days', async () => {
    const user = await t.user();
    for (const group of [
      { permissions: ['view_hidden'], early_access_days: 2 },
      { permissions: ['moderate_chat'], early_access_days: 5 },
    ]) {
      await admin('PUT', `/api/groups/${await makeGroup(group)}/members/${user.id}`);
    }
    expect(await me(user.token)).toMatchObject({
      permissions: { view_hidden: true, moderate_chat: true },
      early_access_days: 5,
    });
  });

  it('the permission admin implies all others', async () => {
    const user = await t.user('admin');
    expect(Object.values((await me(user.token))['permissions'] as object)).toEqual(
      Array.from({ length: 10 }, () => true),
    );
    expect((await t.request('GET', '/api/groups', { token: user.token })).body['items']).not.toHaveLength(1);
  });

  it('PUT answers 404 for an unknown user', async () => {
    const id = await makeGroup();
    expect((await admin('PUT', `/api/groups/${id}/members/${UNKNOWN_ID}`)).body).toMatchObject({
      status: 404,
      code: 'user_not_found',
    });
    expect((await admin('PUT', `/api/groups/${id}/members/x`)).body['code']).toBe('invalid_id');
  });

  it('GET returns pages of members', async () => {
    const id = await makeGroup();
    const users = [await t.user(), await t.user(), await t.user()];
    for (const user of users) await admin('PUT', `/api/groups/${id}/members/${user.id}`);
    const first = await admin('GET', `/api/groups/${id}/members?limit=2`);
    const second = await admin('GET', `/api/groups/${id}/members?limit=2&cursor=${first.body['next_cursor']}`);
    const ids = [...(first.body['items'] as { id: string }[]), ...(second.body['items'] as { id: string }[])].map(
      (user) => user.id,
    );
    expect(ids).toEqual(users.map((user) => user.id));
    expect(second.body['next_cursor']).toBeNull();
  });
});

describe('the last administrator', () => {
  it('cannot be removed, deactivated, demoted or deleted by any request', async () => {
    const alone = await startApp();
    const token = await alone.asAdmin();
    const request = <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
      alone.request(method, path, { token, body });
    const { body: profile } = await request('GET', '/api/users/me');
    const group = (profile['groups'] as { id: string }[])[0]!.id;
    const paths: [string, string, object?][] = [
      ['DELETE', '/api/users/me', { password: alone.config.ADMIN_PASSWORD }],
      ['DELETE', `/api/users/${profile['id']}`],
      ['PATCH', `/api/users/${profile['id']}`, { is_active: false }],
      ['DELETE', `/api/groups/${group}`],
      ['PATCH', `/api/groups/${group}`, { permissions: ['view_hidden'] }],
      ['DELETE', `/api/groups/${group}/members/${profile['id']}`],
    ];
    const inactive = await alone.user('admin'); // an administrator who cannot act does not count
    expect((await request('PATCH', `/api/users/${inactive.id}`, { is_active: false })).status).toBe(200);
    for (const [method, path, body] of paths) {
      expect((await request(method, path, body)).body).toMatchObject({ status: 409, code: 'last_administrator' });
    }
    expect((await request('GET', '/api/users/me')).body).toEqual(profile);
    await alone.user('admin');
    expect((await request(...paths[2]!)).status).toBe(200);
    await alone.stop();
  });
});

it('GET /api/permissions returns every permission of a feature that this build has, with its meaning', async () => {
  const { token } = await t.user();
  const { status, body } = await t.request('GET', '/api/permissions', { token });
  expect(status).toBe(200);
  const list = body as unknown as { name: string; description: string }[];
  expect(list.map(({ name }) => name)).toEqual([
    'admin',
    'early_access',
    'manage_projects',
    'upload_chapters',
    'moderate_avatars',
    'view_hidden',
    'manage_vaccines',
    'verify_registrations',
    'view_vaccine_reports',
    'moderate_chat',
  ]);
  expect(list.every(({ description }) => description.length > 10)).toBe(true);
});
