import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { SMTP_URL: smtp.url, SESSION_MAX_AGE: 'never' } });
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const NEWER_FIREFOX = FIREFOX.replaceAll('140.0', '141.0');
const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15';

const signIn = (login: string, userAgent: string, password = PASSWORD) =>
  t.request('POST', '/api/sessions', { body: { login, password }, headers: { 'user-agent': userAgent } });

describe('a password change', () => {
  it('sends a mail to the user', async () => {
    const user = await t.verifiedUser();
    const body = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
    expect((await t.request('PUT', '/api/users/me/password', { token: user.token, body })).status).toBe(204);
    const { text } = await mailbox.newest(addressOf(user), /password was changed/);
    expect(text).toContain(`When:   ${t.clock.date().toISOString().slice(0, 16).replace('T', ' ')} UTC`);
    expect(text).not.toContain('silent');
  });

  it('sends no mail when it is refused', async () => {
    const user = await t.verifiedUser();
    const body = { current_password: 'wrong', new_password: 'silent meadow ninety' };
    await t.request('PUT', '/api/users/me/password', { token: user.token, body });
    expect(await mailbox.read(addressOf(user), /password was changed/)).toEqual([]);
  });
});

describe('an e-mail address change', () => {
  it('sends a mail to the old address, which does not contain the new one, once the change is confirmed', async () => {
    const user = await t.verifiedUser();
    const body = { email: 'brand.new@example.org', current_password: PASSWORD };
    await t.request('PATCH', '/api/users/me', { token: user.token, body });
    expect(await mailbox.read(addressOf(user), /address was changed/)).toEqual([]);
    const token = (await mailbox.link('brand.new@example.org')).split('/').at(-1);
    await t.request('POST', '/api/email-verifications', { token: user.token, body: { token } });
    const { text } = await mailbox.newest(addressOf(user), /address was changed/);
    expect(text).not.toContain('brand.new');
    expect(await mailbox.read('brand.new@example.org', /address was changed/)).toEqual([]);
    expect(await mailbox.read('brand.new@example.org', /Confirm your/)).toHaveLength(1);
  });

  it('sends a mail to the old address when the address is removed', async () => {
    const user = await t.verifiedUser();
    await t.request('PATCH', '/api/users/me', { token: user.token, body: { email: null, current_password: PASSWORD } });
    await mailbox.newest(addressOf(user), /address was changed/);
  });

  it('sends no mail when the same address is set again', async () => {
    const user = await t.verifiedUser();
    const body = { email: addressOf(user).toUpperCase(), current_password: PASSWORD };
    expect((await t.request('PATCH', '/api/users/me', { token: user.token, body })).status).toBe(200);
    expect(await mailbox.read(addressOf(user), /address was changed/)).toEqual([]);
  });
});

describe('a sign-in on a new device', () => {
  it('sends a mail, except for the first device, a known device or a newer version of it', async () => {
    const body = { username: 'traveller', password: PASSWORD, fullname: 'T', email: 'traveller@example.org' };
    await t.request('POST', '/api/users', { body });
    await t.dataSource.query(`update users set email_verified_at = now() where username = 'traveller'`);
    const notifications = () => mailbox.read('traveller@example.org', /New sign-in/);
    await signIn('traveller', FIREFOX);
    expect(await notifications()).toEqual([]);
    await signIn('traveller', SAFARI);
    expect((await notifications()).map(({ text }) => /Device: .*/.exec(text)![0])).toEqual(['Device: Safari on macOS']);
    for (const userAgent of [FIREFOX, SAFARI, NEWER_FIREFOX]) await signIn('traveller', userAgent);
    expect(await notifications()).toHaveLength(1);
  });

  it('sends no further mail for a year, also after signing out', async () => {
    const user = await t.verifiedUser(); // on a device without a name of its own
    await signIn(user.username, FIREFOX);
    const notifications = () => mailbox.read(addressOf(user), /New sign-in/);
    expect(await notifications()).toHaveLength(1);
    await t.request('DELETE', '/api/sessions', { token: await t.signIn(user.username, PASSWORD) });
    t.clock.advance(200 * 86_400_000);
    await t.signIn(user.username, PASSWORD);
    await signIn(user.username, FIREFOX);
    expect(await notifications()).toHaveLength(1);
    t.clock.advance(365 * 86_400_000);
    await t.signIn(user.username, PASSWORD);
    t.clock.advance(1);
    await signIn(user.username, FIREFOX);
    expect(await notifications()).toHaveLength(2);
  });

  it('sends no mail when the sign-in fails', async () => {
    const user = await t.verifiedUser();
    await signIn(user.username, FIREFOX, 'wrong');
    expect(await mailbox.read(addressOf(user), /New sign-in/)).toEqual([]);
  });

  it.each([
    ['Visit https://evil.example/ now (X11; Linux)', 'Unknown program on Linux'],
    ['Your account is locked: call +81 3 1234 5678', 'Unknown device'],
    ['Locked-call-0123456789/1.0', 'Unknown device'],
    ['Mozilla/5.0 (Call 0123456789 now) Gecko/20100101', 'Unknown device'],
    ['Mozilla/5.0 (Windows NT 10.0; call 0123456789) Firefox/140.0', 'Firefox on Windows'],
    ['curl/8.5.0 call 0123456789', 'curl'],
    ['constructor', 'Unknown device'],
    ['a'.repeat(300), 'Unknown device'],
  ])('sends a mail without the text of the User-Agent %j', async (userAgent, device) => {
    const user = await t.verifiedUser();
    const { id } = (await signIn(user.username, SAFARI)).body['user'];
    await t.dataSource.query(`delete from known_devices where user_id = $1 and name = $2`, [id, device]);
    await signIn(user.username, userAgent);
    const { text, raw } = await mailbox.newest(addressOf(user), /New sign-in/);
    expect(/Device: .*/.exec(text)![0]).toBe(`Device: ${device}`);
    expect(raw).not.toMatch(/evil|call|locked/i);
  });
});

it('reuse of a refresh token sends a mail that names the signed-out device', async () => {
  const user = await t.verifiedUser();
  const { body } = await signIn(user.username, SAFARI);
  const refresh = (refresh_token: unknown) => t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });
  const { body: child } = await refresh(body['refresh_token']);
  await refresh(child['refresh_token']); // the child is used, so its parent is not a lost answer
  expect(await mailbox.read(addressOf(user), /signed out/)).toEqual([]);
  t.clock.advance(10_000);
  expect((await refresh(body['refresh_token'])).body['code']).toBe('token_reused');
  expect((await mailbox.newest(addressOf(user), /signed out/)).text).toContain('Device: Safari on macOS');
});

it('users without an address receive no security mails', async () => {
  const body = { username: 'hermit', password: PASSWORD, fullname: 'Her Mit' };
  await t.request('POST', '/api/users', { body });
  await sent(t);
  const count = smtp.mails.length;
  const token = (await signIn('hermit', FIREFOX)).body['identity_token'];
  await signIn('hermit', SAFARI);
  const change = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
  expect((await t.request('PUT', '/api/users/me/password', { token, body: change })).status).toBe(204);
  await sent(t);
  expect(smtp.mails).toHaveLength(count);
});

describe('a user whose address is not verified', () => {
  it('receives no notice, whatever happens to the account, but verification mails and reset codes', async () => {
    const user = await t.user();
    const fullname = 'Your account is locked: call 0123456789';
    await t.request('PATCH', '/api/users/me', { token: user.token, body: { fullname } });
    await signIn(user.username, FIREFOX);
    const reused = (await signIn(user.username, SAFARI)).body['refresh_token'];
    for (const wait of [0, 10_001]) {
      t.clock.advance(wait);
      await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: reused } });
    }
    await t.request('POST', '/api/users/me/email-verification', { token: user.token });
    await t.request('POST', '/api/password-resets', { body: { email: addressOf(user) } });
    const change = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
    expect((await t.request('PUT', '/api/users/me/password', { token: user.token, body: change })).status).toBe(204);
    const removed = { email: null, current_password: 'silent meadow ninety' };
    const token = await t.signIn(user.username, 'silent meadow ninety');
    expect((await t.request('PATCH', '/api/users/me', { token, body: removed })).status).toBe(200);
    const mails = await mailbox.read(addressOf(user), /./);
    expect(mails.map(({ subject }) => subject)).toEqual([
      'Confirm your e-mail address for Machi',
      'Confirm your e-mail address for Machi',
      'Your code for a new Machi password',
    ]);
    for (const { raw } of mails) expect(raw).not.toMatch(/locked|0123456789/);
  });
});
