import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { recordHourlyWork } from '../support/setup/hourly-work.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let hourlyWork: ReturnType<typeof recordHourlyWork>;
beforeAll(async () => {
  hourlyWork = recordHourlyWork();
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
  hourlyWork.stopRecording();
});
afterAll(() => t.stop());

const countOld = async () => {
  const sql = 'select count(*)::int as count from rate_limit_counters where seen_at < $1';
  return (await t.dataSource.query<[{ count: number }]>(sql, [new Date(t.clock.now() - DAY_MS)]))[0].count;
};

/** Adds counters of failed sign-ins that have no effect any more. */
const addOld = (number: number) =>
  t.dataSource.query(
    `insert into rate_limit_counters (key, count, until, seen_at)
     select sha256(gen_random_uuid()::text::bytea), 1, to_timestamp(0), $2::timestamptz - interval '25 hours' from generate_series(1, $1)`,
    [number, t.clock.date()],
  );

it('counters are deleted a day after the last failure, those of waiting logins are kept', async () => {
  const { username } = await t.user();
  const signIn = (password: string) =>
    t.request('POST', '/api/sessions', { body: { login: username, password } }).then(({ status }) => status);
  t.clock.set(Date.now());
  await addOld(10);
  for (let i = 0; i < 5; i++) expect(await signIn('wrong')).toBe(401);
  hourlyWork.run();
  await expect.poll(countOld).toBe(0);
  expect(await signIn(PASSWORD)).toBe(429);
  t.clock.advance(DAY_MS + 1);
  expect(await countOld()).toBeGreaterThan(0);
  hourlyWork.run();
  await expect.poll(countOld).toBe(0);
  expect(await signIn(PASSWORD)).toBe(201);
});

it('a counter that a request has locked does not keep the others from being deleted, in batches', async () => {
  await addOld(2500);
  const runner = t.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query('select from rate_limit_counters where seen_at < $1 limit 1 for update', [
    new Date(t.clock.now() - DAY_MS),
  ]);
  hourlyWork.run();
  await expect.poll(countOld, { timeout: 5_000 }).toBe(1);
  await runner.rollbackTransaction();
  await runner.release();
  hourlyWork.run();
  await expect.poll(countOld).toBe(0);
});

it('a failed deletion is logged with its cause, and the next one runs an hour later', async () => {
  const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  await addOld(10);
  await t.dataSource.query('alter table rate_limit_counters rename to hidden');
  hourlyWork.run();
  const cause = 'relation "rate_limit_counters" does not exist';
  const line = `Deleting expired counters of rate limits failed (${cause}); retrying in an hour`;
  await expect.poll(() => warn.mock.calls, { timeout: 5_000 }).toContainEqual([line]);
  warn.mockRestore();
  await t.dataSource.query('alter table hidden rename to rate_limit_counters');
  hourlyWork.run();
  await expect.poll(countOld).toBe(0);
});
