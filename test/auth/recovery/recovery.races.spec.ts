import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TwoFactorSignInService } from '../../../src/auth/two-factor/two-factor-sign-in.service.js';
import { type Answer, PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { ORIGIN } from '../../support/clients/passkey-client.js';
import { DAY, NEW_PASSWORD, RECOVERY_ENV, recoveryClient } from '../../support/clients/recovery-client.js';
import { addressOf, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';
import { codeAt } from '../../support/clients/totp.js';
import { VirtualAuthenticator } from '../../support/clients/virtual-authenticator.js';

let t: TestApp;
let smtp: Smtp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { ...RECOVERY_ENV, SMTP_URL: smtp.url } });
  await t.warmUp();
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const client = recoveryClient(
  () => t,
  () => smtp,
);
const {
  mailbox,
  passkeys,
  addPasskey,
  enableTwoFactor,
  exchange,
  linkIdentity,
  resetToken,
  setPassword,
  signInWithPasskey,
  submit,
} = client;

const ROUNDS = 16;

/** The number of rows of a user in a table. */
const countOf = async (table: string, id: string): Promise<number> =>
  (await t.dataSource.query<unknown[]>(`select from ${table} where user_id = $1`, [id])).length;

it(`a passkey that is registered during a reset does not survive it (${ROUNDS} rounds)`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    t.clock.advance(3_600_000);
    const user = await t.verifiedUser();
    const credential = new VirtualAuthenticator(ORIGIN).create(await passkeys.optionsFor(user.token));
    const token = await resetToken(addressOf(user));
    const add = () => passkeys.create(user.token, { credential });
    const early = round % 2 ? add() : undefined;
    const resetting = setPassword(token);
    const [added, done] = await Promise.all([early ?? add(), resetting]);
    expect([done.status, added.status]).toEqual([204, expect.toBeOneOf([201, 401, 422])]);
    expect(await countOf('passkeys', user.id)).toBe(0);
  }
});

it(`an identity that is linked during a reset does not survive it (${ROUNDS} rounds)`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    t.clock.advance(3_600_000);
    const user = await t.verifiedUser();
    const token = await resetToken(addressOf(user));
    const body = { token: `racer.${user.username}`, provider: 'trusted-subject', current_password: PASSWORD };
    const link = () => t.request('POST', '/api/users/me/identities', { token: user.token, body });
    const early = round % 2 ? link() : undefined;
    const resetting = setPassword(token);
    const [linked, done] = await Promise.all([early ?? link(), resetting]);
    expect([done.status, linked.status]).toEqual([204, expect.toBeOneOf([201, 401, 403])]);
    expect(await countOf('external_identities', user.id)).toBe(0);
  }
});

it(`two-factor authentication that is enabled during a reset does not survive it (${ROUNDS} rounds)`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    t.clock.advance(3_600_000);
    const user = await t.verifiedUser();
    const path = '/api/users/me/two-factor';
    const begun = await t.request('POST', path, { token: user.token, body: { current_password: PASSWORD } });
    const token = await resetToken(addressOf(user));
    const code = codeAt(begun.body['secret'], t.clock.now());
    const confirm = () => t.request('POST', `${path}/confirm`, { token: user.token, body: { code } });
    const early = round % 2 ? confirm() : undefined;
    const resetting = setPassword(token);
    const [confirmed, done] = await Promise.all([early ?? confirm(), resetting]);
    expect([done.status, confirmed.status]).toEqual([204, expect.toBeOneOf([200, 401, 404])]);
    expect(await countOf('two_factor', user.id)).toBe(0);
  }
});

it('30 resets at once with one token set one password and mail one report with one link', async () => {
  const user = await t.verifiedUser();
  const owner = await addPasskey(user);
  t.clock.advance(31 * DAY);
  await t.signIn(user.username, PASSWORD);
  const token = await resetToken(addressOf(user));
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => setPassword(token, `silent meadow ${i}`)));
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
  expect(answers.filter(({ body }) => body['code'] === 'invalid_reset_token')).toHaveLength(29);
  const [mail, ...others] = await mailbox.read(addressOf(user), /password was changed/);
  expect(others).toEqual([]);
  const link = /^(https:\S+removals\S+)$/m.exec(mail!.text)![1]!;
  const pressed = await Promise.all(Array.from({ length: 30 }, () => submit(link)));
  expect(pressed.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(pressed.filter(({ status }) => status === 404)).toHaveLength(29);
  expect(await signInWithPasskey(owner)).toBe(401);
});

it(`of verifying an address and disowning it at once, one happens (${ROUNDS} rounds)`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    t.clock.advance(3_600_000);
    const user = await t.user();
    const token = (await mailbox.link(addressOf(user))).split('/').at(-1);
    const path = '/api/email-verifications';
    const verify = () => t.request('POST', path, { body: { token, password: PASSWORD } });
    const disown = () => t.request('DELETE', path, { body: { token } });
    const answers = await Promise.all(round % 2 ? [verify(), disown()] : [disown(), verify()]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 404]);
    const isVerified = answers[round % 2 ? 0 : 1].status === 204;
    const sql = 'select email, email_verified_at is not null as is_verified from users where id = $1';
    const [row] = await t.dataSource.query<object[]>(sql, [user.id]);
    expect(row).toEqual({ email: isVerified ? addressOf(user) : null, is_verified: isVerified });
  }
});

it(`of a reset and a confirmed change of the address at once, one wins, and the other leaves nothing (${ROUNDS} rounds)`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    t.clock.advance(3_600_000);
    const user = await t.verifiedUser();
    const email = `next.${user.username}@example.org`;
    await t.request('PATCH', '/api/users/me', { token: user.token, body: { email, current_password: PASSWORD } });
    const link = (await mailbox.link(email)).split('/').at(-1);
    const token = await resetToken(addressOf(user));
    const body = { token: link, password: PASSWORD };
    const confirm = () => t.request('POST', '/api/email-verifications', { body });
    const answers = await Promise.all(round % 2 ? [confirm(), setPassword(token)] : [setPassword(token), confirm()]);
    const isReset = answers[round % 2 ? 1 : 0].status === 204;
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    const [row] = await t.dataSource.query<object[]>('select email, pending_email from users where id = $1', [user.id]);
    expect(row).toEqual({ email: isReset ? addressOf(user) : email, pending_email: null });
    await t.signIn(user.username, isReset ? NEW_PASSWORD : PASSWORD);
  }
});

describe('a sign-in that has checked its credential when a recovery removes it', () => {
  /** Whether a statement of this database waits for a row. */
  const waiting = async (): Promise<boolean> => {
    const sql = `select from pg_locks l join pg_stat_activity a using (pid)
      where not l.granted and a.datname = current_database()`;
    return (await t.dataSource.query<unknown[]>(sql)).length > 0;
  };
  /** Removes the rows of a user as a recovery does, while `signIn` waits for the user's row. Returns its answer. */
  async function removeDuring(signIn: () => Promise<Answer>, table: string, id: string): Promise<Answer> {
    const recovery = t.dataSource.createQueryRunner();
    await recovery.startTransaction();
    await recovery.query('select from users where id = $1 for update', [id]);
    const answer = signIn();
    await expect.poll(waiting).toBe(true);
    await recovery.query(`delete from ${table} where user_id = $1`, [id]);
    await recovery.query('delete from sessions where user_id = $1', [id]);
    await recovery.commitTransaction();
    await recovery.release();
    return answer;
  }

  it('opens no session with a passkey', async () => {
    const user = await addPasskey(await t.verifiedUser());
    const { status, body } = await removeDuring(() => passkeys.signIn(user), 'passkeys', user.id);
    expect([status, body['code']]).toEqual([401, 'invalid_passkey']);
    expect(await countOf('sessions', user.id)).toBe(0);
  });

  it('opens no session with an identity', async () => {
    const user = await t.verifiedUser();
    const subject = `removed.${user.username}`;
    await linkIdentity(user, subject);
    const { status, body } = await removeDuring(() => exchange(subject), 'external_identities', user.id);
    expect([status, body['code']]).toEqual([401, 'invalid_token']);
    expect(await countOf('sessions', user.id)).toBe(0);
  });

  it('gets no challenge for a code with an identity', async () => {
    const user = await t.verifiedUser();
    const subject = `removed.${user.username}`;
    const id = await linkIdentity(user, subject);
    await enableTwoFactor(user);
    const twoFactor = t.app.get(TwoFactorSignInService);
    const issue = twoFactor.require.bind(twoFactor);
    vi.spyOn(twoFactor, 'require').mockImplementationOnce(async (credential) => {
      const body = { current_password: PASSWORD };
      const removed = await t.request('DELETE', `/api/users/me/identities/${id}`, { token: user.token, body });
      expect(removed.status).toBe(204);
      return issue(credential);
    });
    const { status, body } = await exchange(subject);
    expect([status, body['code']]).toEqual([401, 'invalid_token']);
    expect(await countOf('two_factor_challenges', user.id)).toBe(0);
  });

  it('creates no feed token with a session', async () => {
    const user = await t.verifiedUser();
    const create = () => t.request('POST', '/api/me/feed-tokens', { token: user.token, body: { name: 'x' } });
    const { status, body } = await removeDuring(create, 'feed_tokens', user.id);
    expect([status, body['code']]).toEqual([401, 'invalid_token']);
    expect(await countOf('feed_tokens', user.id)).toBe(0);
  });
});
