import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, sent, type Smtp, startSmtp } from '../support/smtp-server.js';

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

describe('a changed password', () => {
  it('is told to its user', async () => {
    const user = await t.user();
    const body = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
    expect((await t.request('PUT', '/api/users/me/password', { token: user.token, body })).status).toBe(204);
    const { text } = await mailbox.newest(addressOf(user), /password was changed/);
    expect(text).toContain(`When:   ${t.clock.date().toISOString().slice(0, 16).replace('T', ' ')} UTC`);
    expect(text).not.toContain('silent');
  });

  it('is told to nobody when it was not changed', async () => {
    const user = await t.user();
    const body = { current_password: 'wrong', new_password: 'silent meadow ninety' };
    await t.request('PUT', '/api/users/me/password', { token: user.token, body });
    expect(await mailbox.read(addressOf(user), /password was changed/)).toEqual([]);
  });
});

describe('a changed e-mail address', () => {
  it('is told to the old one, which does not learn the new one', async () => {
    const user = await t.user();
    const body = { email: 'brand.new@example.org', current_password: PASSWORD };
    await t.request('PATCH', '/api/users/me', { token: user.token, body });
    const { text } = await mailbox.newest(addressOf(user), /address was changed/);
    expect(text).not.toContain('brand.new');
    expect(await mailbox.read('brand.new@example.org', /address was changed/)).toEqual([]);
    expect(await mailbox.read('brand.new@example.org', /Confirm your/)).toHaveLength(1);
  });

  it('that is taken away is told, too', async () => {
    const user = await t.user();
    await t.request('PATCH', '/api/users/me', { token: user.token, body: { email: null, current_password: PASSWORD } });
    await mailbox.newest(addressOf(user), /address was changed/);
  });

  it('is none when the same one is given again', async () => {
    const user = await t.user();
    const body = { email: addressOf(user).toUpperCase(), current_password: PASSWORD };
    expect((await t.request('PATCH', '/api/users/me', { token: user.token, body })).status).toBe(200);
    expect(await mailbox.read(addressOf(user), /address was changed/)).toEqual([]);
  });
});

describe('a new device', () => {
  it('is told of, but not the first one, nor one that was there before, nor a newer version of it', async () => {
    const body = { username: 'traveller', password: PASSWORD, fullname: 'T', email: 'traveller@example.org' };
    await t.request('POST', '/api/users', { body });
    const told = () => mailbox.read('traveller@example.org', /New sign-in/);
    await signIn('traveller', FIREFOX);
    expect(await told()).toEqual([]);
    await signIn('traveller', SAFARI);
    expect((await told()).map(({ text }) => /Device: .*/.exec(text)![0])).toEqual(['Device: Safari on macOS']);
    for (const userAgent of [FIREFOX, SAFARI, NEWER_FIREFOX]) await signIn('traveller', userAgent);
    expect(await told()).toHaveLength(1);
  });

  it('is remembered after signing out, for a year', async () => {
    const user = await t.user(); // on a device without a name of its own
    await signIn(user.username, FIREFOX);
    const told = () => mailbox.read(addressOf(user), /New sign-in/);
    expect(await told()).toHaveLength(1);
    await t.request('DELETE', '/api/sessions', { token: await t.signIn(user.username, PASSWORD) });
    t.clock.advance(200 * 86_400_000);
    await t.signIn(user.username, PASSWORD);
    await signIn(user.username, FIREFOX);
    expect(await told()).toHaveLength(1);
    t.clock.advance(365 * 86_400_000);
    await t.signIn(user.username, PASSWORD);
    t.clock.advance(1);
    await signIn(user.username, FIREFOX);
    expect(await told()).toHaveLength(2);
  });

  it('is told of only when the sign-in succeeds', async () => {
    const user = await t.user();
    await signIn(user.username, FIREFOX, 'wrong');
    expect(await mailbox.read(addressOf(user), /New sign-in/)).toEqual([]);
  });

  it('cannot put a link into the mail', async () => {
    const user = await t.user();
    await signIn(user.username, 'Visit https://evil.example/ now (X11; Linux)');
    const { text } = await mailbox.newest(addressOf(user), /New sign-in/);
    expect(/Device: .*/.exec(text)![0]).toBe('Device: Visit https evil example on Linux'); // no link
  });
});

it('a stolen refresh token is told of, with the device that was signed out', async () => {
  const user = await t.user();
  const { body } = await signIn(user.username, SAFARI);
  const refresh = (refresh_token: unknown) => t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });
  await refresh(body['refresh_token']);
  expect(await mailbox.read(addressOf(user), /signed out/)).toEqual([]);
  t.clock.advance(10_000);
  expect((await refresh(body['refresh_token'])).body['code']).toBe('token_reused');
  expect((await mailbox.newest(addressOf(user), /signed out/)).text).toContain('Device: Safari on macOS');
});

it('users without an address get nothing of all this', async () => {
  const body = { username: 'hermit', password: PASSWORD, fullname: 'Her Mit' };
  await t.request('POST', '/api/users', { body });
  await sent(t);
  const count = smtp.mails.length;
  const token = (await signIn('hermit', FIREFOX)).body['identity_token'] as string;
  await signIn('hermit', SAFARI);
  const change = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
  expect((await t.request('PUT', '/api/users/me/password', { token, body: change })).status).toBe(204);
  await sent(t);
  expect(smtp.mails).toHaveLength(count);
});
