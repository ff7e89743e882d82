import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { addressOf, sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

let smtp: Smtp;
beforeAll(async () => {
  smtp = await startSmtp();
});
afterAll(() => smtp.stop());

const askForReset = async (t: TestApp): Promise<void> => {
  const user = await t.user();
  await t.request('POST', '/api/password-resets', { body: { email: addressOf(user) } });
  await sent(t);
};

describe('a mail server that refuses the set-up of the sender', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await startApp({ env: { SMTP_URL: smtp.url, MAIL_FROM: 'town@example.org' } });
  });
  afterAll(() => t.stop());
  const states = () =>
    t.dataSource.query<object[]>(`select distinct state, last_error from mails where state <> 'sent'`);
  const mailCheck = async () => {
    const { status, body } = await t.request('GET', '/api/health/ready');
    return [status, (body as unknown as { checks: { mail: string } }).checks.mail];
  };

  it.each([504, 530, 503])('is tried again after %i; readiness and the log tell the reason', async (code) => {
    smtp.refuse('rcpt', code);
    await askForReset(t);
    expect(await states()).toEqual([{ state: 'queued', last_error: `EENVELOPE ${code}` }]);
    expect(await mailCheck()).toEqual([200, 'refused']);
    const before = smtp.mails.length;
    smtp.refuse(undefined);
    t.clock.advance(60_000);
    await sent(t);
    expect(smtp.mails.length).toBeGreaterThan(before);
    expect(await states()).toEqual([]);
    expect(await mailCheck()).toEqual([200, 'ok']);
  });
});

describe('the greeting is', () => {
  it.each<[string, Record<string, string>, string]>([
    [
      'the host of PUBLIC_URL',
      { PUBLIC_URL: 'https://town.example.org/x', MAIL_FROM: 'a@example.net' },
      'town.example.org',
    ],
    ['the domain of MAIL_FROM', { MAIL_FROM: 'town@mail.example.net' }, 'mail.example.net'],
    ['the domain of MAIL_FROM', { PUBLIC_URL: 'http://192.0.2.1', MAIL_FROM: 'a@example.net' }, 'example.net'],
    ['an address literal', { PUBLIC_URL: 'http://192.0.2.1' }, '[192.0.2.1]'],
    ['SMTP_EHLO_NAME', { SMTP_EHLO_NAME: 'mx.example.org', MAIL_FROM: 'a@example.net' }, 'mx.example.org'],
  ])('%s: %j', async (_, env, greeting) => {
    const t = await startApp({ env: { SMTP_URL: smtp.url, ...env } });
    await askForReset(t);
    await t.stop();
    expect(smtp.mails.at(-1)!.greeting).toBe(greeting);
  });
});
