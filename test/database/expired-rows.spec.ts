import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ExpiredSessionsWorker } from '../../src/auth/sessions/expired-sessions.worker.js';
import { runSweepers } from '../../src/cli/sweepers.js';
import { startApp, type TestApp } from '../support/app.js';
import { openSession, refreshSession, statusWith } from '../support/clients/session-client.js';
import { recordHourlyWork } from '../support/setup/hourly-work.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MINUTE = 60_000;

const env = {
  EXTERNAL_IDENTITY: 'trusted-subject',
  IDENTITY_TOKEN_TTL: '15m',
  REFRESH_TOKEN_TTL: '7d',
  SESSION_MAX_AGE: '30d',
};

let t: TestApp;
let hourlyWork: ReturnType<typeof recordHourlyWork>;
beforeAll(async () => {
  hourlyWork = recordHourlyWork();
  t = await startApp({ env });
  hourlyWork.stopRecording();
});
beforeEach(() => t.clock.set(Math.ceil(Date.now() / 1000) * 1000));
afterAll(() => t.stop());

/** What `machi sweep` does. */
const sweep = async (app = t) => {
  const results = await runSweepers(app.app, () => undefined);
  expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
};

const count = async (table: string, userId: string) => {
  const sql = `select count(*)::int as count from ${table} where user_id = $1`;
  return (await t.dataSource.query<[{ count: number }]>(sql, [userId]))[0].count;
};

const addRemovalLink = (userId: string, expiresAt: Date) =>
  t.dataSource.query(
    `insert into method_removal_links (user_id, token_hash, created_at, expires_at)
     values ($1::uuid, sha256(convert_to($1::text, 'utf8')), $2::timestamptz - interval '7 days', $2)`,
    [userId, expiresAt],
  );

/** Adds sessions of a user that ended an hour ago. */
const addEndedSessions = (userId: string, number: number) =>
  t.dataSource.query(
    `insert into sessions (id, user_id, token_id, issued_at, created_at, last_used_at, expires_at)
     select gen_random_uuid(), $1, gen_random_uuid(), at, at, at, at
     from generate_series(1, $2), (select $3::timestamptz - interval '1 hour' as at) past`,
    [userId, number, t.clock.date()],
  );

it('expired sessions, e-mail verifications and removal links are deleted by servers every hour', async () => {
  const { id } = await t.user();
  await addRemovalLink(id, new Date(t.clock.now() + DAY));
  const counts = () =>
    Promise.all(['sessions', 'email_verifications', 'method_removal_links'].map((x) => count(x, id)));
  expect(await counts()).toEqual([1, 1, 1]);
  t.clock.advance(7 * DAY);
  hourlyWork.run();
  await expect.poll(counts).toEqual([0, 0, 0]);
});

it('expired password resets and challenges are deleted by servers every hour, without a further request of their kind', async () => {
  const { id } = await t.user();
  const expires_at = new Date(t.clock.now() + 10 * MINUTE);
  const add = (sql: string) => t.dataSource.query(sql, [id, expires_at]);
  await add(`insert into password_resets (address_key, user_id, tries_left, expires_at) values ('a', $1, 5, $2)`);
  await t.dataSource.query(`insert into two_factor (user_id, secret) values ($1, '')`, [id]);
  await add(`insert into two_factor_challenges (challenge_hash, user_id, expires_at) values ('a', $1, $2)`);
  await add(`insert into passkey_challenges (challenge, user_id, expires_at) values ('a', $1, $2)`);
  const counts = () =>
    Promise.all(['password_resets', 'two_factor_challenges', 'passkey_challenges'].map((x) => count(x, id)));
  t.clock.advance(10 * MINUTE - 1);
  await sweep();
  expect(await counts()).toEqual([1, 1, 1]);
  t.clock.advance(1); // a reset may have been exchanged for a token that is valid ten minutes longer
  await sweep();
  expect(await counts()).toEqual([1, 0, 0]);
  t.clock.advance(HOUR);
  hourlyWork.run();
  await expect.poll(counts).toEqual([0, 0, 0]);
});

describe('a sweep keeps', () => {
  it('a session until its refresh token has expired, and what is refused after that is refused with the same code', async () => {
    const [kept, expired] = [await openSession(t), await openSession(t)];
    t.clock.advance(7 * DAY - 1000);
    await sweep();
    const { status, body } = await refreshSession(t, kept.refresh);
    expect(status).toBe(200);
    t.clock.advance(1000);
    expect((await refreshSession(t, expired.refresh)).body.code).toBe('token_expired');
    await sweep();
    expect((await refreshSession(t, expired.refresh)).body.code).toBe('token_expired');
    expect([await count('sessions', expired.user.id), await statusWith(t, body.identity_token)]).toEqual([0, 200]);
    expect((await t.request('DELETE', '/api/sessions/current', { token: expired.identity })).status).toBe(204);
  });

  it('a session that is refreshed, until SESSION_MAX_AGE', async () => {
    const session = await openSession(t);
    let { refresh } = session;
    for (let day = 6; day < 30; day += 6) {
      t.clock.advance(6 * DAY);
      await sweep();
      const { status, body } = await refreshSession(t, refresh);
      expect([day, status]).toEqual([day, 200]);
      refresh = body.refresh_token!;
    }
    t.clock.advance(6 * DAY - 1000);
    await sweep();
    expect(await count('sessions', session.user.id)).toBe(1);
    const { body } = await refreshSession(t, refresh);
    t.clock.advance(1000);
    await sweep();
    expect(await count('sessions', session.user.id)).toBe(0);
    expect((await refreshSession(t, body.refresh_token)).body.code).toBe('token_expired');
  });

  it('the detection of a reused refresh token', async () => {
    const first = await openSession(t);
    const { body: second } = await refreshSession(t, first.refresh);
    await refreshSession(t, second.refresh_token);
    t.clock.advance(6 * DAY);
    await sweep();
    expect((await refreshSession(t, first.refresh)).body.code).toBe('token_reused');
    expect(await count('sessions', first.user.id)).toBe(1);
  });

  it('a session with an identity token that was renewed without rotation shortly before the refresh token expired', async () => {
    const login = (bearer: string) =>
      t.request('GET', '/api/users/login', { headers: { authorization: `Bearer ${bearer}` } });
    const { body: first } = await login('late-player');
    t.clock.advance(7 * DAY - MINUTE);
    const { body: renewed } = await login(first['refresh_token']!);
    t.clock.advance(2 * MINUTE);
    await sweep();
    expect(await statusWith(t, renewed['access_token'])).toBe(200);
    await login('late-player'); // signs the same user in again
    expect(await statusWith(t, renewed['access_token'])).toBe(200);
    const { body: list } = await t.request('GET', '/api/sessions', { token: renewed['access_token'] });
    expect((list as { items: object[] }).items).toHaveLength(2);
    t.clock.advance(13 * MINUTE);
    await sweep();
    expect(await t.dataSource.query(`select from sessions where compat_system = 'tmtar'`)).toHaveLength(1);
  });

  it('links that are still valid', async () => {
    const { id } = await t.user();
    await addRemovalLink(id, new Date(t.clock.now() + DAY));
    t.clock.advance(DAY - 1000);
    await sweep();
    expect([await count('email_verifications', id), await count('method_removal_links', id)]).toEqual([1, 1]);
  });
});

describe('a sweep of many expired rows', () => {
  it('on two nodes at once deletes all of them, but those that a transaction has locked', async () => {
    const { id } = await t.user();
    await addEndedSessions(id, 2500);
    const other = await startApp({ database: t.connection, env });
    other.clock.set(t.clock.now());
    const runner = t.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('select from sessions where user_id = $1 and expires_at < $2 limit 1 for update', [
      id,
      t.clock.date(),
    ]);
    await Promise.all([sweep(), sweep(other)]);
    expect(await count('sessions', id)).toBe(2);
    await runner.rollbackTransaction();
    await runner.release();
    await sweep();
    expect(await count('sessions', id)).toBe(1);
    await other.stop();
  });

  it('ends after the current batch when the server stops', async () => {
    const { id } = await t.user();
    await addEndedSessions(id, 2500);
    const other = await startApp({ database: t.connection, env });
    other.clock.set(t.clock.now());
    const worker = other.app.get(ExpiredSessionsWorker);
    const deleting = worker.run();
    await worker.beforeApplicationShutdown();
    await deleting;
    expect(await count('sessions', id)).toBe(1501);
    await sweep();
    expect(await count('sessions', id)).toBe(1);
    await other.stop();
  });
});

it('a failed deletion is logged with its cause, and the next one runs an hour later', async () => {
  const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  const { id } = await t.user();
  t.clock.advance(2 * DAY);
  await t.dataSource.query('alter table email_verifications rename to hidden');
  hourlyWork.run();
  const cause = 'relation "email_verifications" does not exist';
  const line = `Deleting expired e-mail verifications failed (${cause}); retrying in an hour`;
  await expect.poll(() => warn.mock.calls).toContainEqual([line]);
  warn.mockRestore();
  await t.dataSource.query('alter table hidden rename to email_verifications');
  hourlyWork.run();
  await expect.poll(() => count('email_verifications', id)).toBe(0);
});
