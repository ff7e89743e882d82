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

describe('with EXTERNAL_IDENTITY=trusted-subject', () => {
  it('just_admins_identity is the first administrator, under whatever name', async () => {
    const { status, body } = await exchange('just_admins_identity');
    expect(status).toBe(201);
    expect(body['user']).toMatchObject({ username: 'admin', permissions: { admin: true } });
    const later = await t.user('admin');
    await t.request('PATCH', `/api/users/${body['user']['id']}`, { token: later.token, body: { username: 'root' } });
    expect((await exchange('just_admins_identity')).body['user']).toMatchObject({ id: body['user']['id'], username: 'root' }); // prettier-ignore
    await t.request('PATCH', `/api/users/${body['user']['id']}`, { token: later.token, body: { username: 'admin' } });
  });

  it('any other name is a user of that name, without rights', async () => {
    const { body } = await exchange('hana.sato');
    expect(body['user']).toMatchObject({ username: 'hana.sato', email: null, groups: [] });
    expect((await exchange('hana.sato', 'trusted-subject')).body['user']['id']).toBe(body['user']['id']);
    expect((await exchange('Hana.Sato')).body['user']['id']).not.toBe(body['user']['id']);
  });

  it('is nobody who registered', async () => {
    const user = await t.user('admin');
    const { body } = await exchange(user.username);
    expect(body['user']['id']).not.toBe(user.id);
    expect((await exchange('admin')).body['user']['permissions']['admin']).toBe(false);
  });

  it.each(['é', 'x'.repeat(256), '\n'])('%j is nobody', async (token) => {
    expect((await exchange(token)).body).toMatchObject({ status: 401, code: 'invalid_token' });
  });

  it('a stranger 30 times at once is one user', async () => {
    await t.warmUp();
    const token = randomUUID();
    const answers = await Promise.all(Array.from({ length: 30 }, () => exchange(token)));
    expect(new Set(answers.map(({ body }) => body['user']['id'] as string)).size).toBe(1);
  });
});

it('in production it cannot even be made', () => {
  expect(() => new TrustedSubjectProvider({ isProduction: true })).toThrow('EXTERNAL_IDENTITY');
});

it.each(['off', 'oidc'])('with EXTERNAL_IDENTITY=%s a name is nothing', async (EXTERNAL_IDENTITY) => {
  const env = { EXTERNAL_IDENTITY, OIDC_ISSUER: 'https://id.example', OIDC_AUDIENCE: 'machi' };
  const app = await startApp({ env });
  const answers = ['just_admins_identity', 'hana'].map((token) =>
    app.request('POST', '/api/sessions/exchange', { body: { token } }),
  );
  const code = EXTERNAL_IDENTITY === 'off' ? 'unknown_identity_provider' : 'invalid_token';
  for (const { body } of await Promise.all(answers)) expect(body['code']).toBe(code);
  await app.stop();
});
