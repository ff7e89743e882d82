import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHANGE_QUOTA } from '../../src/rate-limit/quotas.js';
import { QuotasService } from '../../src/rate-limit/quotas.service.js';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const countEvents = async (): Promise<number> =>
  (await t.dataSource.query<[{ count: number }]>('select count(*)::int as count from audit_events'))[0].count;

describe('a change that changes nothing', () => {
  it('of the own profile writes no audit event', async () => {
    const { token } = await t.user();
    const body = { fullname: 'Hana Sato', address: 'Kyoto', birthday: '2000-02-29', phone_number: '+815012345678' };
    const patch = (changes: object) => t.request('PATCH', '/api/users/me', { token, body: changes });
    const before = await countEvents();
    expect((await patch(body)).status).toBe(200);
    expect(await countEvents()).toBe(before + 1);
    for (const same of [body, { fullname: 'Hana Sato' }, {}]) {
      const answer = await patch(same);
      expect([answer.status, answer.body.fullname]).toEqual([200, 'Hana Sato']);
    }
    expect(await countEvents()).toBe(before + 1);
    await patch({ ...body, address: 'Nara' });
    const admin = await t.asAdmin();
    const { body: page } = await t.request('GET', '/api/audit?action=user.changed&limit=1', { token: admin });
    expect(page.items[0]!.details).toEqual({ fields: ['address'] });
  });

  it('of a group by an administrator writes no audit event, and of a user the one of a read', async () => {
    const token = await t.asAdmin();
    const user = await t.user();
    const body = { name: 'Quiet', permissions: ['view_hidden', 'upload_chapters'], early_access_days: 2 };
    const { body: group } = await t.request('POST', '/api/groups', { token, body });
    const member = `/api/groups/${group.id}/members/${user.id}`;
    expect((await t.request('PUT', member, { token })).status).toBe(204);
    const before = await countEvents();
    const again: [string, string, object?][] = [
      ['PUT', member],
      ['PATCH', `/api/groups/${group.id}`, body],
      ['PATCH', `/api/groups/${group.id}`, {}],
    ];
    for (const [method, path, changes] of again) {
      const { status } = await t.request(method, path, { token, ...(changes ? { body: changes } : {}) });
      expect([method, path, status]).toEqual([method, path, method === 'PUT' ? 204 : 200]);
    }
    expect(await countEvents()).toBe(before);
    await t.request('PATCH', `/api/groups/${group.id}`, { token, body: { ...body, early_access_days: 3 } });
    expect(await countEvents()).toBe(before + 1);
    for (const changes of [{ is_active: true }, { username: user.username }, {}]) {
      const read = await t.request('PATCH', `/api/users/${user.id}`, { token, body: changes });
      expect([read.status, read.body.email]).toEqual([200, `${user.username}@example.org`]);
    }
    const { body: page } = await t.request('GET', `/api/audit?subject_id=${user.id}&limit=3`, { token });
    expect(page.items.map(({ action }) => action)).toEqual(['user.viewed', 'user.viewed', 'user.viewed']);
  });
});

it('changes that signed-in users may make have a quota of 600 per user and hour', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const { id, username, password, token } = await limited.user();
  limited.clock.set(Date.now());
  const change = (fullname: string, of = token) =>
    limited.request('PATCH', '/api/users/me', { token: of, body: { fullname } });
  expect((await change('One')).status).toBe(200);
  const quotas = limited.app.get(QuotasService);
  for (let i = 0; i < 598; i++) await quotas.reserve(CHANGE_QUOTA, id);
  expect((await change('Two')).status).toBe(200);
  expect((await change('Three')).body).toMatchObject({ status: 429, code: 'rate_limited' });
  expect((await limited.request('GET', '/api/users/me', { token })).body.fullname).toBe('Two');
  expect((await change('X', (await limited.user()).token)).status).toBe(200);
  limited.clock.advance(3_600_000);
  expect((await change('Three', await limited.signIn(username, password))).status).toBe(200);
  await limited.stop();
}, 60_000);

it('an intruder who uses up the quota of changes cannot keep the user from ending sessions and changing the password', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const { id, username, password, token: stolen } = await limited.user();
  const quotas = limited.app.get(QuotasService);
  for (let i = 0; i < CHANGE_QUOTA.limit; i++) await quotas.reserve(CHANGE_QUOTA, id);
  const patch = await limited.request('PATCH', '/api/users/me', { token: stolen, body: { fullname: 'X' } });
  expect(patch.status).toBe(429);
  const token = await limited.signIn(username, password);
  expect((await limited.request('DELETE', '/api/sessions?except_current=true', { token })).status).toBe(204);
  expect((await limited.request('GET', '/api/users/me', { token: stolen })).status).toBe(401);
  const body = { current_password: password, new_password: 'silent meadow ninety' };
  expect((await limited.request('PUT', '/api/users/me/password', { token, body })).status).toBe(204);
  await limited.stop();
}, 60_000);
