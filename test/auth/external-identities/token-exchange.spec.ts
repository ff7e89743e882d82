import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { oidcClient, oidcEnv } from '../../support/clients/oidc-client.js';
import { startProvider } from '../../support/servers/oidc-issuer.js';

let provider: Awaited<ReturnType<typeof startProvider>>;
let t: TestApp;
beforeAll(async () => {
  provider = await startProvider();
  t = await startApp({ env: oidcEnv(provider) });
});
beforeEach(() => t.clock.set(Date.now())); // the identity provider uses the system clock
afterAll(async () => {
  await t.stop();
  await provider.stop();
});

const { exchange, eventsOf, tokenOf, newcomer } = oidcClient(
  () => t,
  () => provider,
);
const lastEvent = async () =>
  ((await t.request('GET', '/api/audit', { token: await t.asAdmin() })).body['items'] as object[])[0];

describe('POST /api/sessions/exchange', () => {
  it('creates a user at the first sign-in and finds it later', async () => {
    const subject = randomUUID();
    const claims = {
      preferred_username: 'hana.sato',
      name: 'Hana Sato',
      email: 'Hana@Example.org',
      email_verified: true,
    };
    const { status, body } = await exchange(await tokenOf(subject, claims));
    expect(status).toBe(201);
    const user = await t.request('GET', '/api/users/me', { token: body['identity_token'] });
    expect(body).toEqual({
      id: expect.any(String),
      identity_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_at: expect.any(String),
      refresh_expires_at: expect.any(String),
      user: user.body,
    });
    expect(user.body).toMatchObject({ username: 'hana.sato', fullname: 'Hana Sato', email: 'hana@example.org' });
    const again = await exchange(await tokenOf(subject, { preferred_username: 'another.name' }));
    expect(again.body['user']).toEqual(user.body);
    expect(again.body['id']).not.toBe(body['id']);
    const { body: next } = await t.request('POST', '/api/sessions/refresh', {
      body: { refresh_token: again.body['refresh_token'] },
    });
    expect(next['user']).toEqual(user.body);
  });

  it('is recorded in the audit log with the issuer', async () => {
    const { id } = await newcomer();
    const [opened, linked] = await eventsOf(id);
    expect(opened).toMatchObject({ action: 'session.opened', succeeded: true, details: { issuer: provider.issuer } });
    expect(linked).toMatchObject({
      action: 'identity.linked',
      details: { issuer: provider.issuer, is_new_user: true },
    });
    await exchange('a.b.c');
    expect(await lastEvent()).toMatchObject({
      action: 'session.refused',
      succeeded: false,
      details: { reason: 'invalid_token' },
    });
  });

  it('accepts ID tokens for the same user', async () => {
    const { access_token, id_token } = await provider.signIn(randomUUID());
    const [one, other] = [await exchange(access_token), await exchange(id_token)];
    expect([one.status, other.status]).toEqual([201, 201]);
    expect(other.body['user']['id']).toBe(one.body['user']['id']);
  });

  it('accepts a client-credentials token as a separate user', async () => {
    const { body } = await exchange((await provider.program()).access_token);
    expect(body['user']['username']).toMatch(/^user-[0-9a-f]{12}$/);
  });

  it.each([undefined, 'oidc'])('finds the issuer in the token for the provider %j', async (name) => {
    const token = await tokenOf(randomUUID());
    expect((await exchange(token, { provider: name })).status).toBe(201);
  });

  it('refuses unconfigured providers and tokens of another issuer than the provider', async () => {
    const token = await tokenOf(randomUUID());
    for (const name of ['https://else.example', `${provider.issuer}/`, 'trusted-subject', '__proto__', 'off']) {
      expect((await exchange(token, { provider: name })).body).toMatchObject({
        status: 422,
        code: 'unknown_identity_provider',
      });
    }
    expect((await exchange(token, { provider: 'https://unused.example' })).body['code']).toBe('invalid_token');
  });

  it('refuses an expired token after 60 s of leeway, to the second', async () => {
    const token = await tokenOf(randomUUID());
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number };
    t.clock.set((exp + 60) * 1000 - 1);
    expect((await exchange(token)).status).toBe(201);
    t.clock.set((exp + 60) * 1000);
    const { body, headers } = await exchange(token);
    expect(body).toMatchObject({ status: 401, code: 'token_expired', msg: 'Token has expired' });
    expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  });

  it.each([
    [{}],
    [{ token: '' }],
    [{ token: 5 }],
    [{ token: ['a.b.c'] }],
    [{ token: 'x'.repeat(16_385) }],
    [{ token: 'a.b.c', provider: 5 }],
    [{ token: 'a.b.c', provider: '' }],
    [{ token: 'a.b.c', user_id: randomUUID() }],
  ])('refuses %j', async (body) => {
    const answer = await t.request('POST', '/api/sessions/exchange', { body });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('sends no request for input that is not a token', async () => {
    const before = provider.count('/jwks');
    t.clock.advance(3_000_000); // so that anything that asks asks for keys
    for (const token of ['x', 'a.b.c', '..', 'a.b.c.d.e', 'x'.repeat(16_384), 'é', `${'['.repeat(5000)}.e30.x`]) {
      expect((await exchange(token)).body).toMatchObject({
        status: 401,
        code: 'invalid_token',
        msg: 'Token has expired',
      });
    }
    expect(provider.count('/jwks')).toBe(before);
  });

  it('refuses tokens issued by Machi', async () => {
    const { token } = await t.user();
    expect((await exchange(token)).body['code']).toBe('invalid_token');
  });
});

describe('the keys of an issuer', () => {
  it('are fetched once for an unknown key id, and at most once a minute', async () => {
    const token = await tokenOf(randomUUID());
    t.clock.advance(600_000);
    const known = await exchange(token);
    expect(known.status).toBe(201);
    const count = provider.count('/jwks');
    expect((await exchange(token)).status).toBe(201);
    expect(provider.count('/jwks')).toBe(count); // they are cached

    await provider.rotate();
    const renewed = await tokenOf(randomUUID());
    t.clock.advance(59_999);
    expect((await exchange(renewed)).body['code']).toBe('invalid_token');
    expect(provider.count('/jwks')).toBe(count);
    t.clock.advance(1);
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(renewed)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(provider.count('/jwks')).toBe(count + 1);
    expect((await exchange(token)).body['code']).toBe('invalid_token'); // its key is gone
    expect(provider.count('/jwks')).toBe(count + 1);
  });

  it('are fetched again after ten minutes', async () => {
    const token = await tokenOf(randomUUID());
    t.clock.advance(1_800_000); // past the lifetime of cached keys
    await exchange(token);
    const count = provider.count('/jwks');
    t.clock.advance(599_999);
    await exchange(token);
    expect(provider.count('/jwks')).toBe(count);
    t.clock.advance(1);
    await exchange(token);
    expect(provider.count('/jwks')).toBe(count + 1);
  });
});
