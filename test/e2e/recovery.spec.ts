import { expect, it } from 'vitest';
import { Client, expectProblem, PASSWORD } from './client.js';
import { resetCodeOf } from './mail.js';

const client = new Client();
const NEXT_PASSWORD = 'silent meadow ninety';

it('a mailed code sets a new password once and ends all sessions', async () => {
  const { identity_token, user } = await client.user();
  expect((await client.post('/api/password-resets', { email: user.email })).status).toBe(202);
  const code = await resetCodeOf(user.email);
  const validated = await client.post('/api/password-resets/validate', { email: user.email, code });
  expect(validated.status).toBe(200);
  const reset = { reset_token: validated.body['reset_token'], password: NEXT_PASSWORD };
  const set = () => client.request('PUT', '/api/password-resets', { body: reset });
  expect((await set()).status).toBe(204);
  expect((await set()).status).not.toBe(204);
  expectProblem(await client.get('/api/users/me', identity_token), 401, 'invalid_token');
  expectProblem(await client.signIn(user.username, PASSWORD), 401, 'invalid_credentials');
  expect((await client.signIn(user.username, NEXT_PASSWORD)).status).toBe(201);
});

it('POST /api/password-resets answers alike for known and unknown addresses', async () => {
  const { email } = await client.register();
  const answers = [email, `x${email}`].map((address) => client.post('/api/password-resets', { email: address }));
  const [known, unknown] = await Promise.all(answers);
  expect([known!.status, known!.text]).toEqual([unknown!.status, unknown!.text]);
});

it('a wrong code is refused', async () => {
  const { email } = await client.register();
  await client.post('/api/password-resets', { email });
  const code = '00000000';
  expectProblem(await client.post('/api/password-resets/validate', { email, code }), 404, 'invalid_code');
});
