import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

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

const verify = (token: unknown, bearer?: string) =>
  t.request('POST', '/api/email-verifications', { token: bearer, body: { token } });
const verifyByPassword = (token: unknown, password = PASSWORD) =>
  t.request('POST', '/api/email-verifications', { body: { token, password } });
const disown = (token: unknown) => t.request('DELETE', '/api/email-verifications', { body: { token } });
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
    const answer = await verify(linkToken, token);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await isVerified(token)).toBe(true);
  });

  it('is shown as verified to its user and to administrators only', async () => {
    const [one, other] = [await newcomer(), await t.user()];
    await verify(one.linkToken, one.token);
    const path = `/api/users/${one.id}`;
    expect((await t.request('GET', path, { token: await t.asAdmin() })).body['email_verified']).toBe(true);
    expect((await t.request('GET', path, { token: other.token })).body).not.toHaveProperty('email_verified');
  });

  it('changes once the link mailed to the new one is confirmed; the old link is refused and all sessions end', async () => {
    const [proved, unproved] = [await newcomer(), await newcomer()];
    await verify(proved.linkToken, proved.token);
    for (const { id, token, username, linkToken } of [proved, unproved]) {
      const email = `${id}@example.org`;
      await t.request('PATCH', '/api/users/me', { token, body: { email, current_password: PASSWORD } });
      expect((await verify(linkToken, token)).status).toBe(404);
      expect(await me(token)).toMatchObject({ email: addressOf({ username }), pending_email: email });
      expect((await verify((await mailbox.link(email)).split('/').at(-1), token)).status).toBe(204);
      expect((await t.request('GET', '/api/users/me', { token })).status).toBe(401);
      const next = await t.signIn(email, PASSWORD);
      expect(await me(next)).toMatchObject({ email, email_verified: true, pending_email: null });
    }
  });

  it('is unverified by a trigger when a statement changes it', async () => {
    const { id, token, linkToken } = await newcomer();
    await verify(linkToken, token);
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
    const { linkToken, token } = await newcomer();
    expect((await verify(linkToken, token)).status).toBe(204);
    expect((await verify(linkToken, token)).body).toMatchObject({ status: 404, code: 'invalid_link' });
  });

  it('works once in 30 concurrent requests', async () => {
    const { linkToken, token } = await newcomer();
    const answers = await Promise.all(Array.from({ length: 30 }, () => verify(linkToken, token)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(29);
  });

  it('works until the last millisecond of its 24 hours', async () => {
    const [late, early] = [await newcomer(), await newcomer()];
    t.clock.advance(DAY - 1);
    expect((await verify(early.linkToken, early.token)).status).toBe(204);
    t.clock.advance(1);
    expect((await verify(late.linkToken, late.token)).status).toBe(404);
    expect(await isVerified(late.token)).toBe(false);
  });

  it('stops working when the next one is mailed', async () => {
    const { token, username, linkToken } = await newcomer();
    expect((await resend(token)).status).toBe(202);
    const next = (await mailbox.link(addressOf({ username }))).split('/').at(-1);
    expect(next).not.toBe(linkToken);
    expect((await verify(linkToken, token)).status).toBe(404);
    expect((await verify(next, token)).status).toBe(204);
  });

  it('is mailed at most five times per hour, and not at all once the address is verified', async () => {
    const { token, username } = await newcomer();
    for (let i = 0; i < 6; i++) expect((await resend(token)).status).toBe(202);
    expect(await mailbox.read(addressOf({ username }), /your e-mail address/)).toHaveLength(5);
    const newest = await mailbox.link(addressOf({ username }));
    expect((await verify(newest.split('/').at(-1), token)).status).toBe(204);
    t.clock.advance(3_600_000);
    expect((await resend(token)).status).toBe(202);
    expect(await mailbox.read(addressOf({ username }), /your e-mail address/)).toHaveLength(5);
  });

  it('is refused while its user is deactivated', async () => {
    const { id, linkToken } = await newcomer();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${id}`, { token, body: { is_active: false } });
    expect((await verifyByPassword(linkToken)).status).toBe(404);
    expect((await disown(linkToken)).status).toBe(404);
  });

  it('needs the account: a session of it, or its password', async () => {
    const [user, other] = [await newcomer(), await newcomer()];
    expect((await verify(user.linkToken)).body).toMatchObject({ status: 403, code: 'account_proof_required' });
    expect((await verify(user.linkToken, other.token)).body['code']).toBe('account_proof_required');
    expect((await verify(user.linkToken, 'a.b.c')).body['code']).toBe('invalid_token');
    expect((await verifyByPassword(user.linkToken, 'wrong')).body['code']).toBe('wrong_password');
    expect(await isVerified(user.token)).toBe(false);
    expect((await verifyByPassword(user.linkToken)).status).toBe(204);
    expect(await isVerified(user.token)).toBe(true);
  });

  it('removes the address from an account that its owner did not register, and ends the sessions there', async () => {
    const squatter = await newcomer();
    await t.request('POST', '/api/password-resets', { body: { email: addressOf(squatter) } });
    expect((await disown(squatter.linkToken)).status).toBe(204);
    expect((await disown(squatter.linkToken)).body['code']).toBe('invalid_link');
    expect((await t.request('GET', '/api/users/me', { token: squatter.token })).status).toBe(401);
    expect((await me(await t.signIn(squatter.username, PASSWORD)))['email']).toBeNull();
    const body = {
      username: `owner-${squatter.username}`,
      password: PASSWORD,
      fullname: 'Owner',
      email: addressOf(squatter),
    };
    expect((await t.request('POST', '/api/users', { body })).status).toBe(201);
    const [event] = await t.dataSource.query<object[]>(
      `select actor_id from audit_events where subject_id = $1 and action = 'user.email_disowned'`,
      [squatter.id],
    );
    expect(event).toEqual({ actor_id: null });
  });

  it('removes a pending change to the address of a stranger, and no verified address', async () => {
    const { token, linkToken, username, id } = await newcomer();
    await verify(linkToken, token);
    const email = `stranger.${id}@example.org`;
    await t.request('PATCH', '/api/users/me', { token, body: { email, current_password: PASSWORD } });
    expect((await disown((await mailbox.link(email)).split('/').at(-1))).status).toBe(204);
    const kept = { email: addressOf({ username }), email_verified: true, pending_email: null };
    expect(await me(token)).toMatchObject(kept);
  });

  it.each(['', 'x', 'A'.repeat(43), "' or true --"])('is refused as %j', async (token) => {
    expect((await verify(token)).body['code']).toBe('invalid_link');
  });
});

describe('in a browser', () => {
  const pathOf = (link: string): string => link.slice(PUBLIC_URL.length - 1);
  const press = (path: string, fields: Record<string, string> = {}) =>
    t.request('POST', path, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const HTML = 'text/html; charset=utf-8';

  it('the link opens a page with two buttons, and does not verify the address by itself', async () => {
    const { link, token } = await newcomer();
    const { status, headers, text } = await t.request('GET', pathOf(link));
    expect([status, headers.get('content-type')]).toEqual([200, HTML]);
    expect(text).toContain('<input type="password" name="password"');
    expect(text).toContain('I did not register this account</button>');
    expect(headers.get('content-security-policy')).toContain(`default-src 'none'`);
    expect(headers.get('referrer-policy')).toBe('same-origin');
    await t.request('HEAD', pathOf(link));
    expect(await isVerified(token)).toBe(false);
  });

  it('the button verifies the address with the password of the account, once', async () => {
    const { link, token } = await newcomer();
    for (const [fields, status, sentence] of [
      [{}, 422, 'Enter the password of the account.'],
      [{ password: '' }, 422, 'Enter the password of the account.'],
      [{ password: 'wrong' }, 403, 'The current password is wrong.'],
    ] as const) {
      const refused = await press(pathOf(link), fields);
      expect([refused.status, refused.headers.get('content-type')]).toEqual([status, HTML]);
      expect(refused.text).toContain(`<p role="status">${sentence}</p>`);
      expect(await isVerified(token)).toBe(false);
    }
    const pressed = await press(pathOf(link), { password: PASSWORD });
    expect([pressed.status, pressed.headers.get('content-type')]).toEqual([200, HTML]);
    expect(pressed.text).toContain('is confirmed');
    expect(await isVerified(token)).toBe(true);
    const again = await press(pathOf(link), { password: PASSWORD });
    expect([again.status, again.headers.get('content-type')]).toEqual([404, HTML]);
  });

  it('the other button removes the address from the account', async () => {
    const { link, username } = await newcomer();
    const pressed = await press(pathOf(link), { action: 'disown' });
    expect([pressed.status, pressed.headers.get('content-type')]).toEqual([200, HTML]);
    expect((await me(await t.signIn(username, PASSWORD)))['email']).toBeNull();
    expect((await press(pathOf(link), { action: 'disown' })).status).toBe(404);
  });

  it.each([
    ['application/json', '{"password":"x"}', 415],
    ['text/plain', 'password=x', 415],
    ['application/x-www-form-urlencoded', 'password=a&password=b', 422],
    ['application/x-www-form-urlencoded', `password=${'x'.repeat(1001)}`, 422],
    ['application/x-www-form-urlencoded', 'password=%00', 400],
    ['application/x-www-form-urlencoded', 'x'.repeat(200_000), 413],
  ])('the page answers a body of type %s with 4xx (%#)', async (type, body, status) => {
    const { link } = await newcomer();
    const answer = await t.request('POST', pathOf(link), { headers: { 'content-type': type }, body });
    expect(answer.status).toBe(status);
  });

  it('the page does not contain text from its URL', async () => {
    const path = '/api/email-verifications/%3Cscript%3Ealert(1)%3C%2Fscript%3E';
    const pages = [await t.request('GET', path), await press(path), await press(path, { password: 'x' })];
    for (const { text } of pages) expect(text).not.toContain('alert');
    expect(t.logLines.join('')).not.toContain('alert');
  });
});
