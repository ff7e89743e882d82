import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
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
    ['Hana\u2028Sato', 'Hana Sato'],
    ['\u200bHana\ufeff', 'Hana'],
    ['\u200b\u3164', undefined],
    ['\u2764\ufe0f'.repeat(60), '\u2764\ufe0f'.repeat(50)],
    [{ first: 'Hana' }, undefined],
    [7, undefined],
  ])('with the name %j has the full name %j', async (name, shown) => {
    const { user } = await newcomer({ name });
    expect(user['fullname']).toBe(shown ?? user['username']);
  });

  it.each([
    { email: 'a@example.org' },
    { email: 'b@example.org', email_verified: false },
    { email: 'c@example.org', email_verified: 'false' },
    { email: 'c@example.org', email_verified: ['true'] },
    { email: 'd@example.org', email_verified: 1 },
    { email: 'no address', email_verified: true },
    { email: 'é@example.org', email_verified: true },
    { email: ['e@example.org'], email_verified: true },
    { email: `${'x'.repeat(250)}@example.org`, email_verified: true },
    { email: 'f@example.org\n', email_verified: true },
  ])('gets no e-mail address from %j', async (claims) => {
    expect((await newcomer(claims)).user['email']).toBeNull();
  });

  it.each([true, 'true'])('gets the e-mail address that email_verified: %j confirms', async (email_verified) => {
    const email = `${typeof email_verified}@example.org`;
    expect((await newcomer({ email, email_verified })).user['email']).toBe(email);
  });

  it('gets no e-mail address that is in use, and is not linked to its owner', async () => {
    const user = await t.user();
    const { id, user: made } = await newcomer({ email: `${user.username}@EXAMPLE.org`, email_verified: true });
    expect(id).not.toBe(user.id);
    expect(made['email']).toBeNull();
  });

  it('has no rights for any claims', async () => {
    const { user, token } = await newcomer({
      groups: ['admin', 'Administrators'],
      roles: ['admin'],
      admin: true,
      permissions: { admin: true },
    });
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
    expect(body).toMatchObject({ status: 401, code: 'invalid_token', msg: 'Token has expired' });
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

describe('an e-mail address in a token', () => {
  it.each([
    ['both sides', true, true],
    ['the identity provider only', false, true],
    ['Machi only', true, false],
  ])('that is verified by %s joins the accounts only if both have verified it', async (_, here, there) => {
    const user = await t.user();
    const verified = 'update users set email_verified_at = $2 where id = $1';
    await t.dataSource.query(verified, [user.id, here ? t.clock.date() : null]);
    const subject = randomUUID();
    const { body } = await exchange(
      await tokenOf(subject, { email: `${user.username}@example.org`, email_verified: there }),
    );
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
