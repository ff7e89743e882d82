import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const list = async (query = '') => (await t.request('GET', `/api/audit?${query}`, { token: await t.asAdmin() })).body;
const actions = async (query: string) =>
  ((await list(query))['items'] as { action: string }[]).map(({ action }) => action);

it('an audit event contains actor, action, subject, address and request id', async () => {
  const admin = await t.asAdmin();
  const { body: me } = await t.request('GET', '/api/users/me', { token: admin });
  const user = await t.user();
  const group = await t.request('POST', '/api/groups', {
    token: admin,
    body: { name: 'Audited', permissions: ['view_hidden'] },
  });
  const member = `/api/groups/${group.body['id']}/members/${user.id}`;
  const added = await t.request('PUT', member, { token: admin });
  await t.request('DELETE', member, { token: admin });
  await t.request('PATCH', `/api/users/${user.id}`, { token: admin, body: { is_active: false } });
  await t.request('PATCH', `/api/users/${user.id}`, { token: admin, body: { is_active: true } });
  await t.request('POST', '/api/sessions', { body: { login: user.username, password: 'wrong' } });
  await t.request('DELETE', `/api/users/${user.id}`, { token: admin });
  expect(await actions(`subject_id=${user.id}`)).toEqual([
    'user.deleted',
    'session.refused',
    'user.reactivated',
    'user.deactivated',
    'group.member_removed',
    'group.member_added',
    'session.opened',
    'user.created',
  ]);
  const [event] = (await list(`subject_id=${user.id}&action=group.member_added`))['items'] as object[];
  expect(event).toEqual({
    id: expect.stringMatching(/^\d+$/),
    at: expect.any(String),
    action: 'group.member_added',
    succeeded: true,
    actor_id: me['id'],
    subject_id: user.id,
    session_id: expect.any(String),
    ip: '127.0.0.1',
    request_id: added.headers.get('x-request-id'),
    details: { group_id: group.body['id'] },
  });
  await t.request('PATCH', `/api/groups/${group.body['id']}`, { token: admin, body: { early_access_days: 2 } });
  await t.request('DELETE', `/api/groups/${group.body['id']}`, { token: admin });
  expect(await actions(`subject_id=${group.body['id']}`)).toEqual(['group.deleted', 'group.changed', 'group.created']);
});

it('a rolled-back change leaves no audit event', async () => {
  const admin = await t.asAdmin();
  const { body: me } = await t.request('GET', '/api/users/me', { token: admin });
  const before = ((await list('limit=1'))['items'] as { id: string }[])[0]!.id;
  await t.request('DELETE', `/api/users/${me['id']}`, { token: admin }); // the last administrator
  await t.request('POST', '/api/groups', { token: admin, body: { name: 'Administrators' } }); // taken
  expect(((await list('limit=1'))['items'] as { id: string }[])[0]!.id).toBe(before);
});

it('GET /api/audit returns pages and applies filters', async () => {
  await t.user();
  const first = await list('limit=2');
  const second = await list(`limit=2&cursor=${first['next_cursor']}`);
  const ids = [...(first['items'] as { id: string }[]), ...(second['items'] as { id: string }[])].map(({ id }) =>
    Number(id),
  );
  expect(ids).toHaveLength(4);
  expect(ids).toEqual(ids.toSorted((a, b) => b - a));
  expect(new Set(await actions('action=session.opened'))).toEqual(new Set(['session.opened']));
  for (const query of ['action=x', 'actor_id=1', 'at=2020-01-01'])
    expect((await list(query))['code']).toBe('validation_failed');
  expect((await list('cursor=x'))['code']).toBe('invalid_cursor');
});

it.each(['update audit_events set succeeded = true', 'delete from audit_events', 'truncate audit_events'])(
  'the database refuses "%s"',
  async (statement) => {
    await expect(t.dataSource.query(statement)).rejects.toMatchObject({ code: 'MA002' });
  },
);

it('audit events contain no password and no login as typed', async () => {
  await t.request('POST', '/api/sessions', { body: { login: PASSWORD, password: 'typed in the wrong field' } });
  const rows = await t.dataSource.query<object[]>('select * from audit_events');
  expect(JSON.stringify(rows)).not.toMatch(new RegExp(`${PASSWORD}|wrong field`));
});
