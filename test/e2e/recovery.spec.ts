import { expect, it } from 'vitest';
import { Client, expectProblem, PASSWORD } from './client.js';
import { resetCodeOf, verificationTokenOf } from './mail.js';

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

it('a mailed link verifies the address for the signed-in user, and not for whoever has the mail alone', async () => {
  const { identity_token: token, user } = await client.user();
  const body = { token: await verificationTokenOf(user.email) };
  expectProblem(await client.post('/api/email-verifications', body), 403, 'account_proof_required');
  expect((await client.request('POST', '/api/email-verifications', { token, body })).status).toBe(204);
  expect((await client.get('/api/users/me', token)).body['email_verified']).toBe(true);
});

it('a change of the address waits for the link that is mailed to the new one', async () => {
  const { identity_token: token, user } = await client.user();
  const email = `new-${user.email}`;
  const change = { email, current_password: PASSWORD };
  const changed = await client.request('PATCH', '/api/users/me', { token, body: change });
  expect([changed.status, changed.body]).toMatchObject([200, { email: user.email, pending_email: email }]);
  const body = { token: await verificationTokenOf(email), password: PASSWORD };
  expect((await client.post('/api/email-verifications', body)).status).toBe(204);
  expect((await client.signIn(email)).status).toBe(201);
});
