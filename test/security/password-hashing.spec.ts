import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { addressOf, mailboxes, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

const from = (network: string) => ({ 'x-forwarded-for': network });
const signIn = (t: TestApp, login: string, network: string, password = PASSWORD) =>
  t.request('POST', '/api/sessions', { body: { login, password }, headers: from(network) });

describe('correct passwords', () => {
  let t: TestApp;
  let smtp: Smtp;
  const mailbox = mailboxes(
    () => t,
    () => smtp,
  );
  beforeAll(async () => {
    smtp = await startSmtp();
    t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback', SMTP_URL: smtp.url } });
  });
  afterAll(async () => {
    await t.stop();
    await smtp.stop();
  });

  let networks = 0;
  const newNetwork = () => `198.51.100.${(networks += 1)}`;

  it('have a quota of 30 in ten minutes per user, over all networks, logins and routes', async () => {
    const { username, token } = await t.user(); // the first one
    t.clock.set(Date.now());
    const routes = [
      () => signIn(t, username, newNetwork()),
      () => signIn(t, `${username}@example.org`, newNetwork()),
      () =>
        t.request('POST', '/api/auth/login', { body: { username, password: PASSWORD }, headers: from(newNetwork()) }),
      () =>
        t.request('POST', '/api/users/me/two-factor', {
          token,
          body: { current_password: PASSWORD },
          headers: from(newNetwork()),
        }),
    ];
    const statuses: number[] = [];
    for (let i = 0; i < 29; i++) statuses.push((await routes[i % 4]!()).status);
    expect(statuses.filter((status) => status >= 400)).toEqual([]);
    for (const route of routes) expect((await route()).status).toBe(429);
    const refused = await signIn(t, username, newNetwork());
    expect(refused.body).toMatchObject({ code: 'rate_limited' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(590);
    expect((await t.request('GET', '/api/users/me', { token })).status).toBe(200);
    expect((await signIn(t, (await t.user()).username, newNetwork())).status).toBe(201);
    t.clock.advance(600_000);
    expect((await signIn(t, username, newNetwork())).status).toBe(201);
    t.clock.run();
  });

  it('count one by one, also when several arrive at once', async () => {
    const { username } = await t.user();
    await t.warmUp();
    const statuses: number[] = [];
    for (let i = 0; i < 40; i += 4) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => signIn(t, username, newNetwork())));
      statuses.push(...answers.map(({ status }) => status));
    }
    expect(statuses.toSorted((a, b) => a - b)).toEqual([
      ...Array<number>(29).fill(201),
      ...Array<number>(11).fill(429),
    ]);
  });

  it('count with two-factor authentication on, where they open no session', async () => {
    const { username, id } = await t.user();
    await t.dataSource.query(`insert into two_factor (user_id, secret, confirmed_at) values ($1, '\\x00', now())`, [
      id,
    ]);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 30; i++) codes.push((await signIn(t, username, newNetwork())).body.code);
    expect(codes).toEqual([...Array<string>(29).fill('two_step_required'), 'rate_limited']);
  });

  it('have a new quota after a reset by mail: whoever knew the old password cannot make the owner wait', async () => {
    const owner = await t.verifiedUser();
    for (let i = 0; i < 30; i++) await signIn(t, owner.username, newNetwork());
    expect((await signIn(t, owner.username, newNetwork())).status).toBe(429);
    const [email, password] = [addressOf(owner), 'silent meadow ninety'];
    const headers = from(newNetwork());
    await t.request('POST', '/api/password-resets', { body: { email }, headers });
    const code = await mailbox.code(email);
    const { body } = await t.request('POST', '/api/password-resets/validate', { body: { email, code }, headers });
    const { reset_token } = body;
    await t.request('PUT', '/api/password-resets', { body: { reset_token, password }, headers });
    expect((await signIn(t, owner.username, newNetwork(), password)).status).toBe(201);
  });

  it('are not used up by wrong ones', async () => {
    const { username, token } = await t.user();
    t.clock.set(Date.now());
    const known = { authorization: `Bearer ${token}` };
    for (let i = 0; i < 40; i++) {
      await signIn(t, username, newNetwork(), 'wrong');
      t.clock.advance(1_000);
    }
    const body = { login: username, password: PASSWORD };
    expect((await t.request('POST', '/api/sessions', { body, headers: known })).status).toBe(201);
    t.clock.run();
  });
});
