import { expect, it } from 'vitest';
import { PASSWORD, startApp } from '../../support/app.js';

it('the server answers GET /api/users/me before 20 concurrent sign-ins have been hashed', async () => {
  const slow = await startApp({ env: { BCRYPT_COST: '10' } });
  const token = await slow.asAdmin();
  const signIns = Array.from({ length: 20 }, () =>
    slow.request('POST', '/api/sessions', { body: { login: 'admin', password: PASSWORD } }),
  );
  const order: string[] = [];
  await Promise.all([
    Promise.all(signIns).then(() => order.push('sign-ins')),
    slow.request('GET', '/api/users/me', { token }).then(() => order.push('read')),
  ]);
  expect(order).toEqual(['read', 'sign-ins']);
  await slow.stop();
});

it('POST /api/sessions answers 503 busy with Retry-After beyond the hashing queue', async () => {
  const slow = await startApp({ env: { BCRYPT_COST: '10' } });
  const attempts = Array.from({ length: 130 }, (_, i) =>
    slow.request('POST', '/api/sessions', { body: { login: `n${i}`, password: 'x' } }),
  );
  const answers = await Promise.all(attempts);
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]!.body['code']).toBe('busy');
  expect(refused[0]!.headers.get('retry-after')).toBe('2');
  expect(answers.filter(({ status }) => status !== 503).every(({ status }) => status === 401)).toBe(true);
  await slow.stop();
}, 60_000);
