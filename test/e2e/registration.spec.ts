import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Client, PASSWORD } from './client.js';
import { resetCodeOf } from './mail.js';

/** The routes of the vaccine registration: OAuth 2 by form, and codes by mail. */
const client = new Client();
const NEXT_PASSWORD = 'silent meadow ninety';

const person = () => ({
  name: 'Hana Sató',
  email: `nid-${randomBytes(6).toString('hex')}@example.org`,
  password: PASSWORD,
  nid: String(randomInt(1e12, 1e13)),
  phone_number: '+8801712345678',
});

const form = (path: string, fields: Record<string, string>) =>
  client.request('POST', path, { body: new URLSearchParams(fields) });

async function registered() {
  const fields = person();
  expect((await client.post('/api/create', fields)).status).toBe(201);
  return fields;
}

describe('the vaccine registration', () => {
  it('registers a user, returns no password and ignores protected fields', async () => {
    const fields = person();
    const { status, body, text } = await client.post('/api/create', { ...fields, role_id: 1, verified: true });
    expect([status, body]).toMatchObject([201, { name: fields.name, email: fields.email, verified: false }]);
    expect(text).not.toMatch(/password|hash|role/);
  });

  it('accepts urlencoded and multipart sign-ins and returns the profile with the national id', async () => {
    const { email, nid } = await registered();
    const multipart = new FormData();
    multipart.set('username', email);
    multipart.set('password', PASSWORD);
    const answers = [
      await form('/api/login', { username: email, password: PASSWORD }),
      await client.request('POST', '/api/login', { body: multipart }),
    ];
    for (const { status, body } of answers) {
      expect([status, Object.keys(body).toSorted(), body['token_type']]).toEqual([
        200,
        ['access_token', 'token_type'],
        'Bearer',
      ]);
      const profile = await client.get('/api/profile', body['access_token']);
      expect([profile.status, profile.body]).toMatchObject([200, { email, nid, verified: false }]);
    }
  });

  it('answers 400 with one text to wrong passwords and unknown addresses', async () => {
    const { email } = await registered();
    const wrong = await form('/api/login', { username: email, password: 'wrong' });
    const unknown = await form('/api/login', { username: `x${email}`, password: 'wrong' });
    expect([wrong.status, unknown.status]).toEqual([400, 400]);
    expect(wrong.body['detail']).toBe(unknown.body['detail']);
  });

  it('returns no profile without a token', async () => {
    const { status, headers } = await client.get('/api/profile');
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  it('resets a password with a mailed code', async () => {
    const { email } = await registered();
    for (const address of [email, `x${email}`]) {
      expect((await form('/api/forgot_password', { email: address })).status).toBe(200);
    }
    const code = await resetCodeOf(email);
    expect((await form('/api/validate_code', { email, code_from_user: '00000000' })).status).toBe(404);
    const { status, body } = await form('/api/validate_code', { email, code_from_user: code });
    expect(status).toBe(200);
    expect((await form('/api/validate_code', { email, code_from_user: code })).status).toBe(404);
    const reset = { reset_token: body['reset_token'], password: NEXT_PASSWORD };
    expect((await client.request('PUT', '/api/password-resets', { body: reset })).status).toBe(204);
    expect((await form('/api/login', { username: email, password: PASSWORD })).status).toBe(400);
    expect((await form('/api/login', { username: email, password: NEXT_PASSWORD })).status).toBe(200);
  });
});
