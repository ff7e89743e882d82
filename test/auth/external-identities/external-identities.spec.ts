import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { AUDIENCE, startProvider } from '../../support/oidc-issuer.js';

let provider: Awaited<ReturnType<typeof startProvider>>;
let t: TestApp;
beforeAll(async () => {
  provider = await startProvider();
  t = await startApp({
    env: {
      EXTERNAL_IDENTITY: 'oidc',
      OIDC_ISSUER: `https://unused.example,${provider.issuer}`,
      OIDC_AUDIENCE: `${AUDIENCE},${provider.clientId}`,
    },
  });
});
beforeEach(() => t.clock.set(Date.now())); // the provider lives by real time
afterAll(async () => {
  await t.stop();
  await provider.stop();
});

const exchange = (token: unknown, more: object = { provider: provider.issuer }) =>
  t.request('POST', '/api/sessions/exchange', { body: { token, ...more } });
const eventsOf = async (subject_id: string) => {
  const { body } = await t.request('GET', `/api/audit?subject_id=${subject_id}`, { token: await t.asAdmin() });
  return body['items'] as { action: string; succeeded: boolean; details: object; session_id: string }[];
};
const lastEvent = async () =>
  ((await t.request('GET', '/api/audit', { token: await t.asAdmin() })).body['items'] as object[])[0];

/** The access token of somebody who signs in at the provider. */
const tokenOf = async (subject: string, claims: object = {}) => (await provider.signIn(subject, claims)).access_token;
/** Somebody new, from there: their session here. */
const newcomer = async (claims: object = {}) => {
  const subject = randomUUID();
  const { status, body } = await exchange(await tokenOf(subject, claims));
  expect(status).toBe(201);
  return { subject, id: body['user']['id'] as string, user: body['user'], token: body['identity_token'] as string };
};

describe('POST /api/sessions/exchange', () => {
  it('creates a user at the first sign-in and finds it later', async () => {
    const subject = randomUUID();
    const claims = { preferred_username: 'hana.sato', name: 'Hana Sato', email: 'Hana@Example.org', email_verified: true }; // prettier-ignore
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
    const again = await exchange(await tokenOf(subject, { preferred_username: 'somebody.else' }));
    expect(again.body['user']).toEqual(user.body);
    expect(again.body['id']).not.toBe(body['id']);
    const { body: next } = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: again.body['refresh_token'] } }); // prettier-ignore
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
    expect(await lastEvent()).toMatchObject({ action: 'session.refused', succeeded: false, details: { reason: 'invalid_token' } }); // prettier-ignore
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
      expect((await exchange(token, { provider: name })).body).toMatchObject({ status: 422, code: 'unknown_identity_provider' }); // prettier-ignore
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
      expect((await exchange(token)).body).toMatchObject({ status: 401, code: 'invalid_token', msg: 'Invalid token' });
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
    expect(provider.count('/jwks')).toBe(count); // they are kept

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
    t.clock.advance(1_800_000); // past all that was kept
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

describe('a user created at the first sign-in', () => {
  it.each([
    'a b',
    'hana@example.org',
    'ab',
    'x'.repeat(31),
    'häna',
    '../admin',
    'admin',
    'ADMIN',
    '',
    5,
    null,
    ['hana'],
    "'; drop table users --",
    'a\0b',
    '\ud800',
  ])('gets a generated username instead of %j', async (preferred_username) => {
    const { user } = await newcomer({ preferred_username });
    expect(user['username']).toMatch(/^user-[0-9a-f]{12}$/);
    expect(user['permissions']['admin']).toBe(false);
  });

  it.each<[unknown, string | undefined]>([
    ['  Hana\u202e\n Sato\0 ', 'Hana Sato'],
    ['é'.normalize('NFD'), 'é'],
    ['😀'.repeat(150), '😀'.repeat(100)],
    ['\ud800x', '\ufffdx'],
    [' \t ', undefined],
    [{ first: 'Hana' }, undefined],
    [7, undefined],
  ])('with the name %j has the full name %j', async (name, shown) => {
    const { user } = await newcomer({ name });
    expect(user['fullname']).toBe(shown ?? user['username']);
  });

  it.each([
    { email: 'a@example.org' },
    { email: 'b@example.org', email_verified: false },
    { email: 'c@example.org', email_verified: 'true' },
    { email: 'd@example.org', email_verified: 1 },
    { email: 'no address', email_verified: true },
    { email: 'é@example.org', email_verified: true },
    { email: ['e@example.org'], email_verified: true },
    { email: `${'x'.repeat(250)}@example.org`, email_verified: true },
    { email: 'f@example.org\n', email_verified: true },
  ])('gets no e-mail address from %j', async (claims) => {
    expect((await newcomer(claims)).user['email']).toBeNull();
  });

  it('gets no e-mail address that is in use, and is not linked to its owner', async () => {
    const user = await t.user();
    const { id, user: made } = await newcomer({ email: `${user.username}@EXAMPLE.org`, email_verified: true });
    expect(id).not.toBe(user.id);
    expect(made['email']).toBeNull();
  });

  it('has no rights, whatever the claims are', async () => {
    const { user, token } = await newcomer({ groups: ['admin', 'Administrators'], roles: ['admin'], admin: true, permissions: { admin: true } }); // prettier-ignore
    expect(user['groups']).toEqual([]);
    expect(Object.values(user['permissions'])).not.toContain(true);
    expect((await t.request('GET', '/api/audit', { token })).status).toBe(403);
  });

  it('cannot sign in with a password', async () => {
    const { user } = await newcomer();
    for (const password of ['', ' ', PASSWORD, 'null']) {
      const answer = await t.request('POST', '/api/sessions', { body: { login: user['username'], password } });
      expect(answer.status).toBe(401);
    }
  });
});

describe('an existing user', () => {
  it('is not found by username or unverified address', async () => {
    const admin = await newcomer({ preferred_username: 'admin', email: 'admin@example.org', email_verified: true });
    expect(admin.user['username']).not.toBe('admin');
  });

  it('who is deactivated is refused and keeps the identity', async () => {
    const { id, subject } = await newcomer();
    await t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const { body } = await exchange(await tokenOf(subject));
    expect(body).toMatchObject({ status: 401, code: 'invalid_token', msg: 'Invalid token' });
    expect((await eventsOf(id))[0]).toMatchObject({ action: 'session.refused', details: { reason: 'deactivated' } });
    await t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: true } });
    expect((await exchange(await tokenOf(subject))).body['user']['id']).toBe(id);
  });

  it('loses the identity when deleted', async () => {
    const { id, subject } = await newcomer();
    await t.request('DELETE', `/api/users/${id}`, { token: await t.asAdmin() });
    expect((await exchange(await tokenOf(subject))).body['user']['id']).not.toBe(id);
  });
});

describe('/api/users/me/identities', () => {
  const path = '/api/users/me/identities';
  const link = (token: string, external: string) =>
    t.request('POST', path, {
      token,
      body: { token: external, provider: provider.issuer, current_password: PASSWORD },
    });
  const list = async (token: string) =>
    (await t.request('GET', path, { token })).body as unknown as { id: string; subject: string }[];

  it('links an identity with which the caller can then sign in', async () => {
    const user = await t.user();
    const subject = randomUUID();
    const { status, body } = await link(user.token, await tokenOf(subject));
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      provider: provider.issuer,
      subject,
      created_at: expect.any(String),
      last_used_at: expect.any(String),
    });
    expect(await list(user.token)).toEqual([body]);
    expect((await exchange(await tokenOf(subject))).body['user']['id']).toBe(user.id);
    const linked = (await eventsOf(user.id)).find(({ action }) => action === 'identity.linked');
    expect(linked).toMatchObject({ details: { issuer: provider.issuer, is_new_user: false, identity_id: body['id'] } });
    expect(linked!.session_id).not.toBeNull();
    expect((await link(user.token, await tokenOf(subject))).body['id']).toBe(body['id']); // again is fine
    expect(await list(user.token)).toHaveLength(1);
  });

  it('refuses an identity of another user', async () => {
    const { subject, id } = await newcomer();
    const user = await t.user();
    expect((await link(user.token, await tokenOf(subject))).body).toMatchObject({
      status: 409,
      code: 'identity_taken',
    });
    expect((await exchange(await tokenOf(subject))).body['user']['id']).toBe(id);
    expect(await list(user.token)).toEqual([]);
  });

  it('answers 422, not 401, for an invalid token of the provider', async () => {
    const user = await t.user();
    expect((await link(user.token, 'a.b.c')).body).toMatchObject({ status: 422, code: 'identity_token_refused' });
    const token = await tokenOf(randomUUID());
    t.clock.advance(3_700_000);
    expect((await link(await t.signIn(user.username, PASSWORD), token)).body['code']).toBe('identity_token_refused');
  });

  it('unlinks an identity, which then belongs to a new user', async () => {
    const user = await t.user();
    const subject = randomUUID();
    const { body } = await link(user.token, await tokenOf(subject));
    const other = await t.user();
    const remove = (token: string) => t.request('DELETE', `${path}/${body['id']}`, { token });
    expect((await remove(other.token)).body).toMatchObject({ status: 404, code: 'identity_not_found' });
    expect((await remove(user.token)).status).toBe(204);
    expect((await remove(user.token)).body['code']).toBe('identity_not_found');
    expect((await t.request('DELETE', `${path}/x`, { token: user.token })).body['code']).toBe('invalid_id');
    expect(await list(user.token)).toEqual([]);
    expect((await exchange(await tokenOf(subject))).body['user']['id']).not.toBe(user.id);
    expect((await eventsOf(user.id)).map(({ action }) => action)).toContain('identity.unlinked');
  });

  it('keeps the last sign-in method, not counting identities of issuers that are no longer configured', async () => {
    const { id, token } = await newcomer();
    const [own] = await list(token);
    const remove = () => t.request('DELETE', `${path}/${own!.id}`, { token });
    expect((await remove()).body).toMatchObject({ status: 409, code: 'last_way_to_sign_in' });
    const insert = 'insert into external_identities values ($1, $2, $3, $4, now(), now())';
    await t.dataSource.query(insert, [randomUUID(), id, 'https://gone.example', 'x']);
    expect((await remove()).body['code']).toBe('last_way_to_sign_in');
    await link(token, await tokenOf(randomUUID()));
    expect((await remove()).status).toBe(204);
  });
});

describe('an e-mail address verified by both sides', () => {
  it.each([
    ['both', true, true],
    ['only there', false, true],
    ['only here', true, false],
  ])('%s: has the linking result %j', async (_, here, there) => {
    const user = await t.user();
    const verified = 'update users set email_verified_at = $2 where id = $1';
    await t.dataSource.query(verified, [user.id, here ? t.clock.date() : null]);
    const subject = randomUUID();
    const { body } = await exchange(await tokenOf(subject, { email: `${user.username}@example.org`, email_verified: there })); // prettier-ignore
    if (here && there) expect(body['user']['id']).toBe(user.id);
    else expect(body['user']['id']).not.toBe(user.id);
    const { body: mine } = await t.request('GET', '/api/users/me/identities', { token: user.token });
    expect((mine as unknown as { subject: string }[]).map((each) => each.subject)).toEqual(
      here && there ? [subject] : [],
    );
  });

  it('neither signs a deactivated user in nor creates another account', async () => {
    const user = await t.user();
    await t.dataSource.query('update users set email_verified_at = now() where id = $1', [user.id]);
    await t.request('PATCH', `/api/users/${user.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const token = await tokenOf(randomUUID(), { email: `${user.username}@example.org`, email_verified: true });
    expect((await exchange(token)).body['code']).toBe('invalid_token');
  });
});
