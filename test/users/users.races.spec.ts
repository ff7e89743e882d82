import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
  await t.warmUp();
});
afterAll(() => t.stop());

const tally = (answers: Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = `${status} ${body['code'] ?? ''}`.trim();
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};

const register = (body: object) =>
  t.request('POST', '/api/users', { body: { password: PASSWORD, fullname: 'X', ...body } });

it('POST /api/users creates one user out of 50 concurrent requests with one username', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => register({ username: i % 2 ? 'Racer' : 'rAcer' })),
  );
  expect(tally(answers)).toEqual({ '201': 1, '409 username_taken': 49 });
  const rows = await t.dataSource.query<unknown[]>(`select from users where username = 'racer'`);
  expect(rows).toHaveLength(1);
});

it('POST /api/users creates one user out of 50 concurrent requests with one e-mail address', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      register({ username: `racer${i}`, email: i % 2 ? 'race@example.org' : 'RACE@example.org' }),
    ),
  );
  expect(tally(answers)).toEqual({ '201': 1, '409 email_taken': 49 });
});

it('POST /api/groups creates one group out of 20 concurrent requests with one name', async () => {
  const token = await t.asAdmin();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => t.request('POST', '/api/groups', { token, body: { name: 'Race' } })),
  );
  expect(tally(answers)).toEqual({ '201': 1, '409 group_name_taken': 19 });
});

/** All requests that take an administrator's permission away. */
const WAYS: Record<string, (victim: { id: string; group: string }, token: string) => Promise<Answer>> = {
  delete: ({ id }, token) => t.request('DELETE', `/api/users/${id}`, { token }),
  deactivate: ({ id }, token) => t.request('PATCH', `/api/users/${id}`, { token, body: { is_active: false } }),
  'delete the group of': ({ group }, token) => t.request('DELETE', `/api/groups/${group}`, { token }),
  'demote the group of': ({ group }, token) =>
    t.request('PATCH', `/api/groups/${group}`, { token, body: { permissions: [] } }),
  expel: ({ id, group }, token) => t.request('DELETE', `/api/groups/${group}/members/${id}`, { token }),
};
const PAIRS = Object.keys(WAYS).flatMap((one) => Object.keys(WAYS).map((other) => [one, other] as const));

const administrators = `select u.id from users u join group_members m on m.user_id = u.id
  join groups g on g.id = m.group_id where u.is_active and 'admin' = any (g.permissions)`;

async function newAdministrator() {
  const user = await t.user('admin');
  const { body } = await t.request('GET', '/api/users/me', { token: user.token });
  return { ...user, group: (body['groups'] as { id: string }[])[0]!.id };
}

it.each(PAIRS)('one administrator remains when the last two %s and %s each other concurrently', async (one, other) => {
  const [seed] = await t.dataSource.query<{ group_id: string; user_id: string }[]>(
    `select m.* from group_members m join users u on u.id = m.user_id where u.username = 'admin'`,
  );
  const [first, second] = [await newAdministrator(), await newAdministrator()];
  await t.dataSource.query('delete from group_members where user_id = $1', [seed!.user_id]); // so they are the last two

  const answers = await Promise.all([WAYS[one]!(second, first.token), WAYS[other]!(first, second.token)]);

  const left = await t.dataSource.query<unknown[]>(administrators);
  await t.dataSource.query('insert into group_members values ($1, $2, now())', [seed!.group_id, seed!.user_id]);
  await t.dataSource.query('delete from users where id = any ($1)', [[first.id, second.id]]);
  expect(left).toHaveLength(1);
  expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
  expect(answers.every(({ status }) => [200, 204, 401, 403, 404, 409].includes(status))).toBe(true);
});

it('of two transactions that each remove one of the last two administrators, the one checked second fails', async () => {
  const own = await startApp();
  const other = await own.user('admin');
  const [one, two] = [own.dataSource.createQueryRunner(), own.dataSource.createQueryRunner()];
  const check = 'set constraints all immediate'; // what a commit does first
  await one.startTransaction();
  await two.startTransaction();
  await one.query('delete from users where id = $1', [other.id]);
  await two.query(`delete from users where username = 'admin'`);
  await one.query(check);
  let isChecked = false;
  const second = two.query(check).finally(() => (isChecked = true));
  second.catch(() => undefined);
  const waiting = `select from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and not l.granted and a.datname = current_database()`;
  await expect.poll(async () => isChecked || (await own.dataSource.query<unknown[]>(waiting)).length > 0).toBe(true);
  await one.commitTransaction();
  await expect(second).rejects.toMatchObject({ code: 'MA001' });
  await two.rollbackTransaction();
  await Promise.all([one.release(), two.release()]);
  expect(await own.dataSource.query(administrators)).toHaveLength(1);
  await own.stop();
});

it('a user who is deactivated during a sign-in gets no session, and none after the reactivation', async () => {
  const slow = await startApp({ env: { BCRYPT_COST: '12' } }); // long enough for the deactivation to be first
  const token = await slow.asAdmin();
  const victim = await slow.user();
  const path = `/api/users/${victim.id}`;
  for (let round = 0; round < 5; round++) {
    const signIn = slow.request('POST', '/api/sessions', { body: { login: victim.username, password: PASSWORD } });
    await slow.request('PATCH', path, { token, body: { is_active: false } });
    const { status, body } = await signIn;
    await slow.request('PATCH', path, { token, body: { is_active: true } });
    expect([status, body['code']]).toEqual([401, 'invalid_credentials']);
    expect(await slow.dataSource.query('select from sessions where user_id = $1', [victim.id])).toEqual([]);
  }
  await slow.stop();
});
