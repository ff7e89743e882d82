import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({
    env: { SMTP_URL: smtp.url, RATE_LIMITS: 'on', SESSION_MAX_AGE: 'never', IDENTITY_TOKEN_TTL: 'never' },
  });
  await t.warmUp();
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const change = (token: string, email: string | null, current_password = PASSWORD) =>
  t.request('PATCH', '/api/users/me', { token, body: { email, current_password } });
const confirm = async (address: string, password = PASSWORD) => {
  const token = (await mailbox.link(address)).split('/').at(-1);
  return t.request('POST', '/api/email-verifications', { body: { token, password } });
};
const emailOf = async (token: string) => (await t.request('GET', '/api/users/me', { token })).body['email'];

describe('a change to an address that another user has verified', () => {
  it('gets the same answer as a change to a free one, and the mail to the address tells its owner', async () => {
    const [owner, curious] = [await t.verifiedUser(), await t.verifiedUser()];
    const free = `free.${curious.username}@example.org`;
    const answers = [];
    for (const email of [addressOf(owner), free]) {
      const { status, text, headers } = await change(curious.token, email);
      const body = text.replaceAll(email, 'asked').replace(/"updated_at":"[^"]+"/, '');
      const names = [...headers.keys()].filter((name) => name !== 'date').toSorted();
      answers.push({ status, body, names });
      const seen = await t.request('GET', '/api/users/me', { token: curious.token });
      expect(seen.body).toMatchObject({ email: addressOf(curious), pending_email: email });
    }
    expect(answers[0]!.status).toBe(200);
    expect(answers[0]).toEqual(answers[1]);
    expect((await mailbox.newest(addressOf(owner), /already has this/)).text).toContain('nothing has changed');
    expect(await mailbox.read(addressOf(owner), /Confirm/)).toHaveLength(1); // of the registration
    expect(await mailbox.read(free, /Confirm/)).toHaveLength(1);
  });

  it('gets the same answer when the link is asked for again', async () => {
    const [owner, curious] = [await t.verifiedUser(), await t.user()];
    await change(curious.token, addressOf(owner));
    const again = await t.request('POST', '/api/users/me/email-verification', { token: curious.token });
    expect(again.status).toBe(202);
    expect(await mailbox.read(addressOf(owner), /already has this/)).toHaveLength(2);
  });
});

it('a change to an address that another account has unverified takes it over once it is confirmed', async () => {
  const [squatter, owner] = [await t.user(), await t.verifiedUser()];
  expect((await change(owner.token, addressOf(squatter))).status).toBe(200);
  expect((await confirm(addressOf(squatter))).status).toBe(204);
  expect(await emailOf(await t.signIn(owner.username, PASSWORD))).toBe(addressOf(squatter));
  expect((await t.request('GET', '/api/users/me', { token: squatter.token })).status).toBe(401);
  expect(await emailOf(await t.signIn(squatter.username, PASSWORD))).toBeNull();
});

it('a change to an address that another user verifies in the meantime is refused at its confirmation', async () => {
  const [first, second] = [await t.verifiedUser(), await t.verifiedUser()];
  const email = `both.${first.username}@example.org`;
  await change(first.token, email);
  const early = (await mailbox.link(email)).split('/').at(-1);
  await change(second.token, email);
  expect((await confirm(email)).status).toBe(204);
  const body = { token: early, password: PASSWORD };
  const late = await t.request('POST', '/api/email-verifications', { body });
  expect(late.body).toMatchObject({ status: 409, code: 'email_taken' });
  expect(await emailOf(first.token)).toBe(addressOf(first));
});

it('one change can be pending: a newer request ends the link of the one before', async () => {
  const user = await t.verifiedUser();
  const [one, two] = ['one', 'two'].map((name) => `${name}.${user.username}@example.org`) as [string, string];
  await change(user.token, one);
  await change(user.token, two);
  expect((await confirm(one)).status).toBe(404);
  expect((await confirm(two)).status).toBe(204);
});

it('a user without a password changes the address within ten minutes after signing in', async () => {
  const user = await t.verifiedUser();
  await t.dataSource.query('update users set password_hash = null where id = $1', [user.id]);
  const email = `next.${user.username}@example.org`;
  const body = { email };
  t.clock.advance(600_000);
  const refused = await t.request('PATCH', '/api/users/me', { token: user.token, body });
  expect(refused.body).toMatchObject({ status: 403, code: 'sign_in_again' });
  t.clock.advance(-1);
  expect((await t.request('PATCH', '/api/users/me', { token: user.token, body })).status).toBe(200);
  expect((await confirm(email, '')).status).toBe(403);
  const token = (await mailbox.link(email)).split('/').at(-1);
  const signedIn = await t.request('POST', '/api/email-verifications', { token: user.token, body: { token } });
  expect(signedIn.status).toBe(204);
});

describe('requests to change the address', () => {
  it('are limited to five per user and hour, also at once', async () => {
    const user = await t.verifiedUser();
    const targets = Array.from({ length: 30 }, (_, i) => `stranger${i}.${user.username}@example.org`);
    const answers = await Promise.all(targets.map((email) => change(user.token, email)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.filter(({ body }) => body['code'] === 'rate_limited')).toHaveLength(25);
    const mails = await Promise.all(targets.map((email) => mailbox.read(email, /./)));
    expect(mails.flat()).toHaveLength(5);
    t.clock.advance(3_600_000);
    expect((await change(user.token, targets[0]!)).status).toBe(200);
  });

  it('are limited to twenty per network and hour', async () => {
    t.clock.advance(3_600_000);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const { token, username } = await t.verifiedUser();
      for (let j = 0; j < 5; j++) statuses.push((await change(token, `s${j}.${username}@example.org`)).status);
    }
    expect(statuses).toEqual([...Array<number>(20).fill(200), ...Array<number>(5).fill(429)]);
  });

  it('that are refused for a wrong password, or that remove the address, do not count', async () => {
    const user = await t.verifiedUser();
    for (let i = 0; i < 5; i++) expect((await change(user.token, 'x@example.org', 'wrong')).status).toBe(403);
    t.clock.advance(60_000);
    for (let i = 0; i < 5; i++) {
      expect((await change(user.token, `y${i}.${user.username}@example.org`)).status).toBe(200);
    }
    expect((await change(user.token, null)).status).toBe(200);
  });
});
