import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, sent, type Smtp, startSmtp } from '../support/smtp-server.js';

const PUBLIC_URL = 'https://machi.example.org/town/';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({
    env: { SMTP_URL: smtp.url, PUBLIC_URL, SESSION_MAX_AGE: 'never', IDENTITY_TOKEN_TTL: 'never' },
  });
  await t.warmUp();
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const DAY = 86_400_000;

const verify = (token: unknown) => t.request('POST', '/api/email-verifications', { body: { token } });
const resend = (token: string) => t.request('POST', '/api/users/me/email-verification', { token });
const me = async (token: string) => (await t.request('GET', '/api/users/me', { token })).body;
const isVerified = async (token: string) => (await me(token))['email_verified'];

/** A new user, with the token of the link that was mailed at registration. */
async function newcomer() {
  const user = await t.user();
  const link = await mailbox.link(addressOf(user));
  return { ...user, link, linkToken: link.split('/').at(-1)! };
}

describe('an e-mail address', () => {
  it('is verified by the link that is mailed at registration', async () => {
    const { token, linkToken } = await newcomer();
    expect(await isVerified(token)).toBe(false);
    const answer = await verify(linkToken);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await isVerified(token)).toBe(true);
  });

  it('is shown as verified to its user and to administrators only', async () => {
    const [one, other] = [await newcomer(), await t.user()];
    await verify(one.linkToken);
    const path = `/api/users/${one.id}`;
    expect((await t.request('GET', path, { token: await t.asAdmin() })).body['email_verified']).toBe(true);
    expect((await t.request('GET', path, { token: other.token })).body).not.toHaveProperty('email_verified');
  });

  it('is unverified after a change: the old link is refused, and the new address gets its own', async () => {
    const [proved, unproved] = [await newcomer(), await newcomer()];
    await verify(proved.linkToken);
    for (const { id, token, username, linkToken } of [proved, unproved]) {
      const email = `${id}@example.org`;
      await t.request('PATCH', '/api/users/me', { token, body: { email, current_password: PASSWORD } });
      expect((await verify(linkToken)).status).toBe(404);
      const next = await t.signIn(username, PASSWORD);
      expect(await isVerified(next)).toBe(false);
      expect((await verify((await mailbox.link(email)).split('/').at(-1))).status).toBe(204);
      expect(await isVerified(next)).toBe(true);
    }
  });

  it('is unverified by a trigger when a statement changes it', async () => {
    const { id, token, linkToken } = await newcomer();
    await verify(linkToken);
    await t.dataSource.query(`update users set fullname = 'Same Address' where id = $1`, [id]);
    expect(await isVerified(token)).toBe(true);
    await t.dataSource.query(`update users set email = 'moved@example.org' where id = $1`, [id]);
    const [row] = await t.dataSource.query<object[]>('select email_verified_at from users where id = $1', [id]);
    expect(row).toEqual({ email_verified_at: null });
  });

  it('gets no mail when a user has none', async () => {
    const body = { username: 'addressless', password: PASSWORD, fullname: 'Address Less' };
    await t.request('POST', '/api/users', { body });
    await sent(t);
    const count = smtp.mails.length;
    expect((await resend(await t.signIn('addressless', PASSWORD))).status).toBe(202);
    await sent(t);
    expect(smtp.mails).toHaveLength(count);
  });
});

describe('a link', () => {
  it('begins with PUBLIC_URL for any request headers', async () => {
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'gopher',
      forwarded: 'host=evil.example',
      referer: 'https://evil.example/',
    };
    const body = { username: 'spoofed', password: PASSWORD, fullname: 'evil.example', email: 'spoofed@example.org' };
    expect((await t.request('POST', '/api/users', { body, headers })).status).toBe(201);
    expect(await mailbox.link('spoofed@example.org')).toMatch(
      /^https:\/\/machi\.example\.org\/town\/api\/email-verifications\/[\w-]{43}$/,
    );
    expect((await mailbox.newest('spoofed@example.org', /./)).raw).not.toMatch(/evil|gopher/);
  });

  it('works once', async () => {
    const { linkToken } = await newcomer();
    expect((await verify(linkToken)).status).toBe(204);
    expect((await verify(linkToken)).body).toMatchObject({ status: 404, code: 'invalid_link' });
  });

  it('works once in 30 concurrent requests', async () => {
    const { linkToken } = await newcomer();
    const answers = await Promise.all(Array.from({ length: 30 }, () => verify(linkToken)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(29);
  });

  it('works until the last millisecond of its 24 hours', async () => {
    const [late, early] = [await newcomer(), await newcomer()];
    t.clock.advance(DAY - 1);
    expect((await verify(early.linkToken)).status).toBe(204);
    t.clock.advance(1);
    expect((await verify(late.linkToken)).status).toBe(404);
    expect(await isVerified(late.token)).toBe(false);
  });

  it('stops working when the next one is mailed', async () => {
    const { token, username, linkToken } = await newcomer();
    expect((await resend(token)).status).toBe(202);
    const next = (await mailbox.link(addressOf({ username }))).split('/').at(-1);
    expect(next).not.toBe(linkToken);
    expect((await verify(linkToken)).status).toBe(404);
    expect((await verify(next)).status).toBe(204);
  });

  it('is mailed at most five times per hour, and not at all once the address is verified', async () => {
    const { token, username } = await newcomer();
    for (let i = 0; i < 6; i++) expect((await resend(token)).status).toBe(202);
    expect(await mailbox.read(addressOf({ username }), /your e-mail address/)).toHaveLength(5);
    const newest = await mailbox.link(addressOf({ username }));
    expect((await verify(newest.split('/').at(-1))).status).toBe(204);
    t.clock.advance(3_600_000);
    expect((await resend(token)).status).toBe(202);
    expect(await mailbox.read(addressOf({ username }), /your e-mail address/)).toHaveLength(5);
  });

  it('is refused while its user is deactivated', async () => {
    const { id, linkToken } = await newcomer();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${id}`, { token, body: { is_active: false } });
    expect((await verify(linkToken)).status).toBe(404);
  });

  it.each(['', 'x', 'A'.repeat(43), "' or true --"])('is refused as %j', async (token) => {
    expect((await verify(token)).body['code']).toBe('invalid_link');
  });
});

describe('in a browser', () => {
  const pathOf = (link: string): string => link.slice(PUBLIC_URL.length - 1);
  const press = (path: string) =>
    t.request('POST', path, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' },
    });

  it('the link opens a page with a button, and does not verify the address by itself', async () => {
    const { link, token } = await newcomer();
    const { status, headers, text } = await t.request('GET', pathOf(link));
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain('<form method="post"><button>');
    expect(headers.get('content-security-policy')).toContain(`default-src 'none'`);
    expect(headers.get('referrer-policy')).toBe('same-origin');
    await t.request('HEAD', pathOf(link));
    expect(await isVerified(token)).toBe(false);
  });

  it('the button verifies the address, once', async () => {
    const { link, token } = await newcomer();
    const pressed = await press(pathOf(link));
    expect([pressed.status, pressed.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(pressed.text).toContain('is confirmed');
    expect(await isVerified(token)).toBe(true);
    const again = await press(pathOf(link));
    expect([again.status, again.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
  });

  it('the page does not contain text from its URL', async () => {
    const path = '/api/email-verifications/%3Cscript%3Ealert(1)%3C%2Fscript%3E';
    for (const { text } of [await t.request('GET', path), await press(path)]) expect(text).not.toContain('alert');
    expect(t.logLines.join('')).not.toContain('alert');
  });
});
