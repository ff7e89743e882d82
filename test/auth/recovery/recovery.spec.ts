import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { DAY, NEW_PASSWORD, RECOVERY_ENV, recoveryClient } from '../../support/clients/recovery-client.js';
import { addressOf, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';
import { codeAt } from '../../support/clients/totp.js';

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

const {
  mailbox,
  exchange,
  signIn,
  addPasskey,
  linkIdentity,
  enableTwoFactor,
  reset,
  submit,
  auditOf,
  signInWithPasskey,
} = recoveryClient(
  () => t,
  () => smtp,
);

/** Adds every sign-in method, as an intruder who knows the password does. */
async function intrude(user: SignedInUser) {
  const intruder = await addPasskey({ ...user, token: await t.signIn(user.username, PASSWORD) });
  const subject = randomUUID();
  await linkIdentity(intruder, subject);
  await enableTwoFactor(intruder);
  return { ...intruder, subject };
}

const linkOf = (text: string): string => /^(https:\S+removals\S+)$/m.exec(text)![1]!;

describe('a password reset by mail on a verified address', () => {
  it('removes passkey, identity and two-factor authentication that an intruder has just added', async () => {
    const user = await t.verifiedUser();
    const intruder = await intrude(user);
    const mail = await reset(user);

    expect(await signInWithPasskey(intruder)).toBe(401);
    expect((await exchange(intruder.subject)).body['user']['id']).not.toBe(user.id);
    expect((await signIn(user.username, NEW_PASSWORD)).status).toBe(201);
    expect((await t.request('GET', '/api/users/me', { token: intruder.token })).status).toBe(401);
    expect(mail.text).toMatch(/was removed.*\n\n( {4}\S.*\n){3}/);
    expect(mail.text).toContain('Two-factor authentication, added on');
    expect(mail.text).not.toContain('can still sign in');
    expect(await auditOf(user.id)).toEqual(
      expect.arrayContaining(['passkey.removed', 'identity.unlinked', 'two_step.disabled', 'user.password_reset']),
    );
  });

  it('keeps methods older than RECOVERY_QUARANTINE, and lists them in the mail with a link that removes them', async () => {
    const user = await t.verifiedUser();
    const owner = await addPasskey(user);
    await linkIdentity(user, `owner.${user.username}`);
    t.clock.advance(31 * DAY);
    await t.signIn(user.username, PASSWORD);
    const intruder = await intrude(user);
    const { text } = await reset(user);

    expect(await signInWithPasskey(intruder)).toBe(401);
    expect(await signInWithPasskey(owner)).toBe(201);
    expect((await exchange(`owner.${user.username}`)).body['user']['id']).toBe(user.id);
    expect(text).toMatch(
      /can still sign in:\n\n {4}Passkey, added on .*\n {4}Account of trusted-subject, added on .*\n/,
    );

    const session = await t.signIn(user.username, NEW_PASSWORD);
    t.clock.advance(1000);
    const later = await addPasskey({ ...user, password: NEW_PASSWORD, token: session });
    const page = await t.request('GET', new URL(linkOf(text)).pathname);
    expect([page.status, page.text.includes('<button>Yes, remove them')]).toEqual([200, true]);
    expect(await signInWithPasskey(owner)).toBe(201); // opening the page removes nothing
    expect((await submit(linkOf(text))).status).toBe(200);
    expect(await signInWithPasskey(owner)).toBe(401);
    expect((await exchange(`owner.${user.username}`)).body['user']['id']).not.toBe(user.id);
    expect(await signInWithPasskey(later)).toBe(201); // added after the mail
    expect((await t.request('GET', '/api/users/me', { token: session })).status).toBe(401);
    expect((await submit(linkOf(text))).status).toBe(404);
    await mailbox.newest(addressOf(user), /Sign-in methods were removed/);
  });

  it('mails a link that works no more once the address of the account has changed', async () => {
    const user = await t.verifiedUser();
    const owner = await addPasskey(user);
    t.clock.advance(31 * DAY);
    await t.signIn(user.username, PASSWORD);
    const { text } = await reset(user);
    const token = await t.signIn(user.username, NEW_PASSWORD);
    const email = `safe.${user.username}@example.org`;
    await t.request('PATCH', '/api/users/me', { token, body: { email, current_password: NEW_PASSWORD } });
    expect((await submit(await mailbox.link(email), { password: NEW_PASSWORD })).status).toBe(200);
    expect((await submit(linkOf(text))).status).toBe(404);
    expect(await signInWithPasskey(owner)).toBe(201);
  });

  it('and its link end a sign-in that waits for a code after a removed identity was checked', async () => {
    const user = await t.verifiedUser();
    const subject = `owner.${user.username}`;
    await linkIdentity(user, subject);
    const secret = await enableTwoFactor(user);
    t.clock.advance(31 * DAY);
    const challenged = await signIn(user.username);
    const code = codeAt(secret, t.clock.now());
    const body = { challenge: challenged.body['challenge'], code };
    expect((await t.request('POST', '/api/sessions/two-factor', { body })).status).toBe(201);
    t.clock.advance(60_000);
    const { text } = await reset(user);
    const { challenge } = (await exchange(subject)).body;
    expect((await submit(linkOf(text))).status).toBe(200);
    const late = { challenge, code: codeAt(secret, t.clock.now()) };
    expect((await t.request('POST', '/api/sessions/two-factor', { body: late })).body['code']).toBe(
      'invalid_challenge',
    );
  });

  it('still asks for a code of older two-factor authentication, and says so in the mail', async () => {
    const user = await t.verifiedUser();
    const secret = await enableTwoFactor(user);
    t.clock.advance(31 * DAY);
    const challenged = await signIn(user.username);
    const body = { challenge: challenged.body['challenge'], code: codeAt(secret, t.clock.now()) };
    expect((await t.request('POST', '/api/sessions/two-factor', { body })).status).toBe(201);
    t.clock.advance(60_000);
    const { text } = await reset(user);
    expect((await signIn(user.username, NEW_PASSWORD)).body['code']).toBe('two_step_required');
    expect(text).toContain('Two-factor authentication is still on');
    expect(text).not.toContain('removals');
  });

  it('removes what was added since the last sign-in with an older way, if that is longer ago', async () => {
    const user = await t.verifiedUser();
    const owner = await addPasskey(user);
    t.clock.advance(40 * DAY);
    const { token } = user; // stolen, and the password with it
    expect(await signInWithPasskey(owner)).toBe(201);
    await t.signIn(user.username, PASSWORD);
    t.clock.advance(DAY);
    const intruder = await addPasskey({ ...user, token });
    t.clock.advance(90 * DAY);
    expect(await signInWithPasskey(intruder)).toBe(201);
    await reset(user);
    expect(await signInWithPasskey(intruder)).toBe(401);
    expect(await signInWithPasskey(owner)).toBe(201);
  });

  it('keeps the identity with which the account was created', async () => {
    const subject = randomUUID();
    const { body } = await exchange(subject);
    const { id, username } = body['user'];
    await t.dataSource.query('update users set email = $2 where id = $1', [id, addressOf({ username })]);
    await t.dataSource.query('update users set email_verified_at = $2 where id = $1', [id, t.clock.date()]);
    t.clock.advance(31 * DAY);
    await reset({ username });
    expect((await exchange(subject)).body['user']['id']).toBe(id);
  });

  it('ends a setup of two-factor authentication that an intruder has begun', async () => {
    const user = await t.verifiedUser();
    const path = '/api/users/me/two-factor';
    const begun = await t.request('POST', path, { token: user.token, body: { current_password: PASSWORD } });
    await reset(user);
    const token = await t.signIn(user.username, NEW_PASSWORD);
    const code = codeAt(begun.body['secret'], t.clock.now());
    const confirmed = await t.request('POST', `${path}/confirm`, { token, body: { code } });
    expect(confirmed.body['code']).toBe('two_step_not_found');
  });

  it('revokes the feed tokens, with which an intruder would go on reading, as a change of the password does', async () => {
    const user = await t.verifiedUser();
    const create = async (token: string): Promise<string> =>
      (await t.request('POST', '/api/me/feed-tokens', { token, body: { name: 'Reader' } })).body.token;
    const read = async (token: string) => (await t.request('GET', `/api/feeds/me/${token}.rss`)).status;
    const first = await create(user.token);
    expect(await read(first)).toBe(200);
    await reset(user);
    expect(await read(first)).toBe(404);

    const session = await t.signIn(user.username, NEW_PASSWORD);
    const second = await create(session);
    const body = { current_password: NEW_PASSWORD, new_password: PASSWORD };
    expect((await t.request('PUT', '/api/users/me/password', { token: session, body })).status).toBe(204);
    expect(await read(second)).toBe(404);
    expect((await auditOf(user.id)).filter((action) => action === 'feed_token.removed')).toHaveLength(2);
  });

  it('ends a pending change of the e-mail address', async () => {
    const user = await t.verifiedUser();
    const email = `intruder.${user.username}@example.org`;
    const body = { email, current_password: PASSWORD };
    await t.request('PATCH', '/api/users/me', { token: user.token, body });
    const link = await mailbox.link(email);
    await reset(user);
    const token = await t.signIn(user.username, NEW_PASSWORD);
    expect((await t.request('GET', '/api/users/me', { token })).body['pending_email']).toBeNull();
    expect((await submit(link, { password: NEW_PASSWORD })).status).toBe(404);
  });
});

describe("an account that an intruder has registered with a victim's address", () => {
  it('keeps nothing of the intruder after a reset by mail, however old', async () => {
    const squatter = await intrude(await t.user());
    t.clock.advance(400 * DAY);
    expect(await signInWithPasskey(squatter)).toBe(201);
    const { text } = await reset(squatter);
    expect(await signInWithPasskey(squatter)).toBe(401);
    expect((await exchange(squatter.subject)).body['user']['id']).not.toBe(squatter.id);
    expect((await t.request('GET', '/api/users/me', { token: squatter.token })).status).toBe(401);
    expect((await signIn(squatter.username)).status).toBe(401);
    const { status, body } = await signIn(addressOf(squatter), NEW_PASSWORD);
    expect([status, body['user'].email_verified]).toEqual([201, true]);
    expect(text).toContain('had not been confirmed before');
  });

  it('stays unverified when the owner of the mailbox presses the button of the link without knowing the password', async () => {
    const squatter = await t.user();
    const link = await mailbox.link(addressOf(squatter));
    expect((await submit(link)).status).toBe(422);
    expect((await submit(link, { password: 'not known to the victim' })).status).toBe(403);
    const { body } = await t.request('GET', '/api/users/me', { token: squatter.token });
    expect(body['email_verified']).toBe(false);
  });
});
