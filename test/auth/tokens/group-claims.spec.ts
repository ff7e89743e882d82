import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { connect } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

interface Claims {
  user: { groups: string[]; groups_truncated?: boolean; permissions: Record<string, boolean> };
}
const claimsOf = (token: string) => (jwt.decode(token) as unknown as Claims).user;

/** A user who was added to groups with these names. */
async function memberOf(names: string[]): Promise<SignedInUser> {
  const user = await t.user('view_hidden');
  await t.dataSource.query(
    `with added as (insert into groups (id, name, permissions, early_access_days, created_at, updated_at)
       select gen_random_uuid(), name, '{}', 0, now(), now() from unnest($2::text[]) name returning id)
     insert into group_members (group_id, user_id, created_at) select id, $1, now() from added`,
    [user.id, names],
  );
  return { ...user, token: await t.signIn(user.username, PASSWORD) };
}

const namesOf = (count: number, fill: string) =>
  Array.from({ length: count }, (_, i) => `${String(i).padStart(3, '0')} ${fill}`);

it('a user in 190 groups gets a token with 50 names, which HTTP and chat accept as a header', async () => {
  const user = await memberOf(namesOf(190, 'x'.repeat(60)));
  const { groups, groups_truncated, permissions } = claimsOf(user.token);
  expect([groups.length, groups_truncated, permissions['view_hidden']]).toEqual([50, true, true]);
  expect(user.token.length).toBeLessThan(8_000); // a header line that nginx takes by default
  const { status, body } = await t.request('GET', '/api/users/me', { token: user.token });
  expect([status, body.groups.length]).toEqual([200, 191]);
  expect((await t.request('GET', '/api/sessions/current', { token: user.token })).body.user.groups_truncated).toBe(
    true,
  );
  await (await connect(t, user)).close();
});

it('a token names fewer groups if their names take more than 4,000 bytes', async () => {
  const user = await memberOf(namesOf(60, '町'.repeat(60)));
  const { groups, groups_truncated } = claimsOf(user.token);
  expect(groups.length).toBeGreaterThan(15);
  expect(Buffer.byteLength(JSON.stringify(groups))).toBeLessThan(4_100);
  expect(groups_truncated).toBe(true);
  expect((await t.request('GET', '/api/users/me', { token: user.token })).status).toBe(200);
});

it('a token names all groups of a user in 50, without groups_truncated', async () => {
  const claims = claimsOf((await memberOf(namesOf(49, 'short'))).token);
  expect([claims.groups.length, claims]).toEqual([50, expect.not.objectContaining({ groups_truncated: true })]);
});

it('the chat cookie of a user in 80 groups stays under 4,096 bytes, names no group and grants the same rights', async () => {
  const user = await memberOf(namesOf(80, 'y'.repeat(60)));
  const { headers, status } = await t.request('POST', '/api/auth/login', {
    body: { username: user.username, password: PASSWORD },
  });
  expect(status).toBe(202);
  const cookie = headers.get('set-cookie')!;
  expect(cookie.length).toBeLessThan(4_096);
  const token = /^login-token=([^;]+)/.exec(cookie)![1]!;
  expect(claimsOf(token)).toMatchObject({ groups: [], groups_truncated: true, permissions: { view_hidden: true } });
  const { body } = await t.request('GET', '/api/users/me', { headers: { cookie: `login-token=${token}` } });
  expect(body.permissions.view_hidden).toBe(true);
});
