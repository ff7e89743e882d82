import { expect, it } from 'vitest';
import { Client, expectProblem, uniqueName } from './client.js';

const client = new Client();

it('a permission applies from the next request on and ends with the membership', async () => {
  const { identity_token: token, user } = await client.user();
  expectProblem(await client.get('/api/audit', token), 403, 'forbidden');
  const admin = await client.admin();
  const group = await client.post('/api/groups', { name: uniqueName(), permissions: ['admin'] }, admin);
  expect(group.status).toBe(201);
  const member = `/api/groups/${group.body['id']}/members/${user.id}`;
  expect((await client.request('PUT', member, { token: admin })).status).toBe(204);
  expect((await client.get('/api/audit', token)).status).toBe(200);
  expect((await client.request('DELETE', member, { token: admin })).status).toBe(204);
  expectProblem(await client.get('/api/audit', token), 403, 'forbidden');
});

it('several groups grant the union of their permissions and the most days of early access', async () => {
  const { user } = await client.user();
  const admin = await client.admin();
  const groups = [
    { permissions: ['upload_chapters'], early_access_days: 3 },
    { permissions: ['view_hidden'], early_access_days: 7 },
  ];
  for (const each of groups) {
    const { body } = await client.post('/api/groups', { name: uniqueName(), ...each }, admin);
    await client.request('PUT', `/api/groups/${body['id']}/members/${user.id}`, { token: admin });
  }
  const { body } = await client.signIn(user.username);
  expect(body['user']).toMatchObject({
    early_access_days: 7,
    permissions: { admin: false, upload_chapters: true, view_hidden: true, early_access: true, manage_projects: false },
  });
});

it('POST /api/groups answers 403 to users without the permission admin', async () => {
  const { identity_token: token } = await client.user();
  expectProblem(await client.post('/api/groups', { name: uniqueName() }, token), 403, 'forbidden');
});

it('the audit log lists actor, action, subject and IP address', async () => {
  const { user } = await client.user();
  const admin = await client.admin();
  const { body: me } = await client.get('/api/users/me', admin);
  const patch = (is_active: boolean) =>
    client.request('PATCH', `/api/users/${user.id}`, { token: admin, body: { is_active } });
  const changed = await patch(false);
  expect(changed.status).toBe(200);
  expectProblem(await client.signIn(user.username), 401, 'invalid_credentials');
  await patch(true);
  const { body } = await client.get(`/api/audit?subject_id=${user.id}`, admin);
  const events = body['items'] as Record<string, unknown>[];
  expect(events.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['user.reactivated', 'session.refused', 'user.deactivated', 'session.opened']),
  );
  expect(events.find(({ action }) => action === 'user.deactivated')).toMatchObject({
    actor_id: me['id'],
    subject_id: user.id,
    succeeded: true,
    ip: client.ip,
    request_id: changed.headers.get('x-request-id'),
  });
});
