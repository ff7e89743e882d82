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
