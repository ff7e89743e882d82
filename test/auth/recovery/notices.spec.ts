import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { RECOVERY_ENV, recoveryClient } from '../../support/clients/recovery-client.js';
import { addressOf, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';
import { type TwoFactorUser, twoFactorUser } from '../../support/clients/totp.js';

let t: TestApp;
let smtp: Smtp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { ...RECOVERY_ENV, SMTP_URL: smtp.url } });
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const { mailbox, passkeys, addPasskey, linkIdentity, auditOf } = recoveryClient(
  () => t,
  () => smtp,
);
const current_password = PASSWORD;

type Change = [name: string, run: (user: TwoFactorUser) => Promise<unknown>, subject: RegExp, action: string];

const del = (path: string, { token }: SignedInUser, body: object) =>
  t.request('DELETE', `/api/users/me/${path}`, { token, body });

const CHANGES: Change[] = [
  ['adding a passkey', (user) => addPasskey(user), /A passkey was added to/, 'passkey.added'],
  [
    'removing a passkey',
    async (user) => del(`passkeys/${(await addPasskey(user)).passkey}`, user, { current_password }),
    /A passkey was removed from/,
    'passkey.removed',
  ],
  ['linking an identity', (user) => linkIdentity(user, randomUUID()), /service was linked to/, 'identity.linked'],
  [
    'unlinking an identity',
    async (user) => del(`identities/${await linkIdentity(user, randomUUID())}`, user, { current_password }),
    /service was unlinked from/,
    'identity.unlinked',
  ],
  ['enabling two-factor authentication', () => Promise.resolve(), /was turned on for/, 'two_step.enabled'],
  [
    'disabling two-factor authentication',
    (user) => del('two-factor', user, { current_password, code: user.recoveryCodes[0] }),
    /was turned off for/,
    'two_step.disabled',
  ],
  [
    'disabling two-factor authentication by an administrator',
    async ({ id }) => t.request('DELETE', `/api/users/${id}/two-factor`, { token: await t.asAdmin() }),
    /was turned off for/,
    'two_step.disabled',
  ],
  [
    'renewing recovery codes',
    ({ token, recoveryCodes: [code] }) =>
      t.request('POST', '/api/users/me/two-factor/recovery-codes', { token, body: { current_password, code } }),
    /New recovery codes/,
    'two_step.recovery_codes_made',
  ],
  [
    'changing the password',
    ({ token }) =>
      t.request('PUT', '/api/users/me/password', { token, body: { current_password, new_password: 'silent meadow' } }),
    /password was changed/,
    'user.password_changed',
  ],
  [
    'removing the e-mail address',
    ({ token }) => t.request('PATCH', '/api/users/me', { token, body: { email: null, current_password } }),
    /address was changed/,
    'user.email_changed',
  ],
];

describe('a change of what signs in to an account', () => {
  it.each(CHANGES)('(%s) is mailed to a verified address only, and audited', async (_, run, subject, action) => {
    for (const isVerified of [true, false]) {
      const user = await twoFactorUser(t, isVerified ? await t.verifiedUser() : undefined);
      await run(user);
      expect(await auditOf(user.id)).toContain(action);
      const mails = await mailbox.read(addressOf(user), subject);
      expect(mails).toHaveLength(isVerified ? 1 : 0);
      const [mail] = mails;
      if (mail) expect(mail.text).toMatch(/When: .* UTC\nFrom: {3}127\.0\.0\.1\n/);
    }
  });

  it('is mailed without the name that the client gave to a passkey', async () => {
    const user = await t.verifiedUser();
    await addPasskey(user);
    const name = 'Your account is locked, call 0123456789';
    const [passkey] = await passkeys.list(user.token);
    await t.request('PATCH', `${passkeys.path}/${passkey!.id}`, { token: user.token, body: { name } });
    for (const { raw } of await mailbox.read(addressOf(user), /./)) expect(raw).not.toMatch(/locked|0123456789/);
  });
});

describe('removing a passkey or an external identity', () => {
  const removals: [string, (user: SignedInUser) => Promise<string>][] = [
    ['passkey', async (user) => `passkeys/${(await addPasskey(user)).passkey}`],
    ['identity', async (user) => `identities/${await linkIdentity(user, randomUUID())}`],
  ];

  it.each(removals)('(%s) requires the current password', async (_, add) => {
    const user = await t.user();
    const path = await add(user);
    expect((await del(path, user, {})).body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect((await del(path, user, { current_password: 'wrong' })).body['code']).toBe('wrong_password');
    expect((await del(path, user, { current_password })).status).toBe(204);
  });

  it.each(removals)('(%s) requires a recent sign-in from a user without a password', async (_, add) => {
    const user = await t.user();
    const [first, second] = [await add(user), await add(user)];
    await addPasskey(user);
    await t.dataSource.query('update users set password_hash = null where id = $1', [user.id]);
    t.clock.advance(599_999);
    expect((await del(first, user, {})).status).toBe(204);
    t.clock.advance(1);
    expect((await del(second, user, {})).body).toMatchObject({ status: 403, code: 'sign_in_again' });
  });
});
