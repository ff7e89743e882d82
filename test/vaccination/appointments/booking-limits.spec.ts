import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';

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

it('an account may enter ten phone numbers an hour, so that its bookings cannot send SMS to people at will', async () => {
  const user = await t.user();
  const path = `/api/vaccination/registrations/${await insertPerson(t, user)}`;
  const change = (number: number) =>
    t.request('PATCH', path, { token: user.token, body: { phone: `017123456${String(number).padStart(2, '0')}` } });
  for (let number = 0; number < 10; number++) expect((await change(number)).status).toBe(200);
  expect((await change(10)).body).toMatchObject({ status: 429, code: 'rate_limited' });
  const [row] = await t.dataSource.query('select phone from vaccination_registrations where user_id = $1', [user.id]);
  expect(row).toEqual({ phone: '+8801712345609' });
});
