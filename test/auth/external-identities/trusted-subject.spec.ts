import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrustedSubjectProvider } from '../../../src/auth/external-identities/trusted-subject-provider.js';
import { startApp, type TestApp } from '../../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
});
afterAll(() => t.stop());

const exchange = (token: string, provider?: string) =>
  t.request('POST', '/api/sessions/exchange', { body: { token, provider } });

describe('EXTERNAL_IDENTITY=trusted-subject', () => {
  it('signs just_admins_identity in as the first administrator, also after renaming', async () => {
    const { status, body } = await exchange('just_admins_identity');
    expect(status).toBe(201);
    expect(body['user']).toMatchObject({ username: 'admin', permissions: { admin: true } });
    const later = await t.user('admin');
    await t.request('PATCH', `/api/users/${body['user']['id']}`, { token: later.token, body: { username: 'root' } });
    expect((await exchange('just_admins_identity')).body['user']).toMatchObject({
      id: body['user']['id'],
      username: 'root',
    });
    await t.request('PATCH', `/api/users/${body['user']['id']}`, { token: later.token, body: { username: 'admin' } });
  });

  it('signs any other subject in as a user of that name without rights', async () => {
    const { body } = await exchange('hana.sato');
    expect(body['user']).toMatchObject({ username: 'hana.sato', email: null, groups: [] });
    expect((await exchange('hana.sato', 'trusted-subject')).body['user']['id']).toBe(body['user']['id']);
    expect((await exchange('Hana.Sato')).body['user']['id']).not.toBe(body['user']['id']);
  });

  it('does not sign in as a registered user of the same name', async () => {
    const user = await t.user('admin');
    const { body } = await exchange(user.username);
    expect(body['user']['id']).not.toBe(user.id);
    expect((await exchange('admin')).body['user']['permissions']['admin']).toBe(false);
  });

  it.each(['é', 'x'.repeat(256), '\n'])('refuses %j', async (token) => {
    expect((await exchange(token)).body).toMatchObject({ status: 401, code: 'invalid_token' });
  });

  it('creates one user for 30 exchanges of a new subject at once', async () => {
    await t.warmUp();
    const token = randomUUID();
    const answers = await Promise.all(Array.from({ length: 30 }, () => exchange(token)));
    expect(new Set(answers.map(({ body }) => body['user']['id'])).size).toBe(1);
  });
});

it('TrustedSubjectProvider cannot be constructed in production', () => {
  expect(() => new TrustedSubjectProvider({ isProduction: true })).toThrow('EXTERNAL_IDENTITY');
});

it.each(['off', 'oidc'])('EXTERNAL_IDENTITY=%s refuses a plain subject', async (EXTERNAL_IDENTITY) => {
  const env = { EXTERNAL_IDENTITY, OIDC_ISSUER: 'https://id.example', OIDC_AUDIENCE: 'machi' };
  const app = await startApp({ env });
  const answers = ['just_admins_identity', 'hana'].map((token) =>
    app.request('POST', '/api/sessions/exchange', { body: { token } }),
  );
  const code = EXTERNAL_IDENTITY === 'off' ? 'unknown_identity_provider' : 'invalid_token';
  for (const { body } of await Promise.all(answers)) expect(body['code']).toBe(code);
  await app.stop();
});
