import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { connect } from '../../support/clients/chat-client.js';
import { statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
});
afterAll(() => t.stop());

const count = async (userId: string) => {
  const counts = await t.dataSource.query<{ count: number }[]>(
    'select count(*)::int as count from sessions where user_id = $1',
    [userId],
  );
  return counts[0]!.count;
};

const listAll = async (token: string, path = '/api/sessions') => {
  const ids: string[] = [];
  let cursor = '';
  do {
    const { body } = await t.request('GET', `${path}?limit=40${cursor}`, { token });
    const page = body as { items: { id: string }[]; next_cursor: string | null };
    expect(page.items.length).toBeLessThanOrEqual(40);
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`;
  } while (cursor !== '');
  return ids;
};

/** Adds sessions that are older than all others of the user. */
const addOldSessions = (userId: string, number: number) =>
  t.dataSource.query(
    `insert into sessions (id, user_id, token_id, issued_at, created_at, last_used_at)
     select ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, $1, gen_random_uuid(), now(), now(), now()
     from generate_series(1, $2) i`,
    [userId, number],
  );

it('the 101st session of a user ends the oldest one and closes its connections', async () => {
  const { id, username, token } = await t.user();
  const oldest = await connect(t, { token });
  const tokens: string[] = [];
  for (let i = 0; i < 99; i++) tokens.push(await t.signIn(username, PASSWORD));
  expect([await count(id), await statusWith(t, token)]).toEqual([100, 200]);
  const newest = await t.signIn(username, PASSWORD);
  expect([await count(id), await statusWith(t, token)]).toEqual([100, 401]);
  expect(await oldest.end()).toEqual([4401, expect.any(String)]);
  expect([await statusWith(t, tokens[0]!), await statusWith(t, newest)]).toEqual([200, 200]);
  const admin = await t.asAdmin();
  const { body } = await t.request('GET', `/api/audit?subject_id=${id}&action=session.ended`, { token: admin });
  expect(body.items.map(({ details }) => details)).toEqual([{ count: 1, reason: 'too_many' }]);
}, 60_000);

it('sign-ins at once leave a user with 100 sessions', async () => {
  const { id, username } = await t.user();
  await addOldSessions(id, 98);
  await t.warmUp();
  const tokens = await Promise.all(Array.from({ length: 12 }, () => t.signIn(username, PASSWORD)));
  expect(await count(id)).toBe(100);
  for (const token of tokens) expect(await statusWith(t, token)).toBe(200);
});

it('a user with too many sessions of an earlier version keeps the newest 100 at the next sign-in', async () => {
  const { id, username } = await t.user();
  await t.dataSource.query('delete from sessions where id::text like $1', ['00000000-%']);
  await addOldSessions(id, 300);
  await t.signIn(username, PASSWORD);
  expect(await count(id)).toBe(100);
});

it('the list of sessions has pages, for the user and for administrators', async () => {
  const { id, token } = await t.user();
  await t.dataSource.query('delete from sessions where id::text like $1', ['00000000-%']);
  await addOldSessions(id, 90);
  const ids = await listAll(token);
  expect(ids).toHaveLength(91);
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect(new Set(ids).size).toBe(91);
  expect(await listAll(await t.asAdmin(), `/api/users/${id}/sessions`)).toEqual(ids);
  for (const query of ['cursor=x', 'cursor=', `cursor=${Buffer.from("' or true").toString('base64url')}`]) {
    const { body } = await t.request('GET', `/api/sessions?${query}`, { token });
    expect([query, body.code]).toEqual([query, 'invalid_cursor']);
  }
  for (const query of ['limit=0', 'limit=101', 'limit=1e1', 'page=1']) {
    expect((await t.request('GET', `/api/sessions?${query}`, { token })).status).toBe(422);
  }
});
