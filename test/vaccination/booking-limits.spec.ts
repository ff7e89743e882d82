import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

it('an account may try 60 bookings a minute, and counting them writes nothing', async () => {
  const [user, other] = [await t.user(), await t.user()];
  t.clock.set(Date.now());
  const id = '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c';
  const book = (token: string) =>
    t.request('POST', '/api/vaccination/appointments', { token, body: { registration_id: id, session_id: id } });
  const count = () => t.dataSource.query<object[]>('select key, count from rate_limit_counters order by key');
  const before = await count();
  const statuses = await Promise.all(Array.from({ length: 61 }, async () => (await book(user.token)).status));
  expect(statuses.filter((status) => status === 404)).toHaveLength(60);
  const refused = await book(user.token);
  expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' });
  expect(refused.headers.get('ratelimit-policy')).toBe('"bookings";q=60;w=60');
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  expect((await book(other.token)).status).toBe(404);
  expect(await count()).toEqual(before);
  t.clock.advance(60_000);
  expect((await book(user.token)).status).toBe(404);
});
