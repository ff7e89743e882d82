import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { requestId } from '../../../src/http/log/request-context.js';
import { type Answer, PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { addressOf, mailboxes, sent, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { SMTP_URL: smtp.url, SESSION_MAX_AGE: 'never', IDENTITY_TOKEN_TTL: 'never' } });
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const MINUTE = 60_000;
const NEW_PASSWORD = 'silent meadow ninety';

const request = (email: unknown) => t.request('POST', '/api/password-resets', { body: { email } });
const validate = (email: unknown, code: unknown) =>
  t.request('POST', '/api/password-resets/validate', { body: { email, code } });
const reset = (reset_token: unknown, password: unknown = NEW_PASSWORD) =>
  t.request('PUT', '/api/password-resets', { body: { reset_token, password } });
const wrong = (code: string): string => String((Number(code) + 1) % 100_000_000).padStart(8, '0');
const canSignIn = async (login: string, password: string) =>
  (await t.request('POST', '/api/sessions', { body: { login, password } })).status === 201;

/** A user who has been mailed a code. */
async function forgetful() {
  const user = await t.user();
  const email = addressOf(user);
  await request(email);
  return { ...user, email, code: await mailbox.code(email) };
}

/** A user with a reset token. */
async function proven() {
  const user = await forgetful();
  const { body } = await validate(user.email, user.code);
  return { ...user, resetToken: body['reset_token'] };
}

const invalidations: [string, (user: { id: string; token: string }) => Promise<unknown>][] = [
  [
    'another password',
    ({ token }) =>
      t.request('PUT', '/api/users/me/password', {
        token,
        body: { current_password: PASSWORD, new_password: 'quiet window eleven' },
      }),
  ],
  [
    'another e-mail address',
    async ({ id, token }) => {
      const email = `${id}@example.org`;
      await t.request('PATCH', '/api/users/me', { token, body: { email, current_password: PASSWORD } });
      const link = (await mailbox.link(email)).split('/').at(-1);
      await t.request('POST', '/api/email-verifications', { token, body: { token: link } });
    },
  ],
  [
    'no e-mail address any more',
    ({ token }) => t.request('PATCH', '/api/users/me', { token, body: { email: null, current_password: PASSWORD } }),
  ],
  [
    'deactivation',
    async ({ id }) => t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: false } }),
  ],
  [
    'deactivation and reactivation',
    async ({ id }) => {
      const token = await t.asAdmin();
      for (const is_active of [false, true])
        await t.request('PATCH', `/api/users/${id}`, { token, body: { is_active } });
    },
  ],
  ['deletion', async ({ id }) => t.request('DELETE', `/api/users/${id}`, { token: await t.asAdmin() })],
];

describe('a forgotten password', () => {
  it('is replaced by a mailed code, a reset token, and a new password', async () => {
    const { username, email, token, code, id } = await forgetful();
    const validated = await validate(` ${email.toUpperCase()} `, ` ${code.slice(0, 4)} ${code.slice(4)} `);
    expect(validated.status).toBe(200);
    expect(validated.body).toEqual({ reset_token: expect.stringMatching(/^[\w-]{43}$/) });
    const answer = await reset(validated.body['reset_token']);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await t.request('GET', '/api/users/me', { token })).status).toBe(401);
    expect(await canSignIn(username, PASSWORD)).toBe(false);
    const { body } = await t.request('GET', '/api/users/me', { token: await t.signIn(email, NEW_PASSWORD) });
    expect(body).toMatchObject({ id, email_verified: true });
    expect((await mailbox.newest(email, /was changed/)).text).toContain('From:   127.0.0.1');
  });

  it('writes an audit event for each step', async () => {
    const { id, email, code } = await forgetful();
    await validate(email, wrong(code));
    const { body } = await validate(email, code);
    await reset(body['reset_token']);
    const events = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    const recorded = (events.body['items'] as { action: string; succeeded: boolean }[]).map(
      ({ action, succeeded }) => `${action} ${succeeded}`,
    );
    expect(recorded.slice(0, 4)).toEqual([
      'user.password_reset true',
      'user.password_reset_code_tried true',
      'user.password_reset_code_tried false',
      'user.password_reset_requested true',
    ]);
  });

  it('sends no mail for a user without an e-mail address', async () => {
    const body = { username: 'unreachable', password: PASSWORD, fullname: 'Un Reachable' };
    await t.request('POST', '/api/users', { body });
    expect((await request('unreachable')).status).toBe(422);
    await sent(t);
    expect(smtp.mails.filter(({ raw }) => raw.includes('unreachable'))).toEqual([]);
  });

  it('answers while the mail server is unavailable', async () => {
    const user = await t.user();
    await sent(t);
    await smtp.stopListening();
    expect((await request(addressOf(user))).status).toBe(202);
    await smtp.listenAgain();
    t.clock.advance(5_000);
    expect(await mailbox.code(addressOf(user))).toMatch(/^\d{8}$/);
  });
});

describe('a code', () => {
  it('works until the last millisecond of its ten minutes', async () => {
    const [late, early] = [await forgetful(), await forgetful()];
    t.clock.advance(10 * MINUTE - 1);
    expect((await validate(early.email, early.code)).status).toBe(200);
    t.clock.advance(1);
    expect((await validate(late.email, late.code)).body['code']).toBe('invalid_code');
  });

  it('works once', async () => {
    const { email, code } = await forgetful();
    expect((await validate(email, code)).status).toBe(200);
    expect((await validate(email, code)).body['code']).toBe('invalid_code');
  });

  it('allows five attempts in total, the correct one included', async () => {
    const [lucky, unlucky] = [await forgetful(), await forgetful()];
    for (let i = 0; i < 4; i++) expect((await validate(lucky.email, wrong(lucky.code))).status).toBe(404);
    expect((await validate(lucky.email, lucky.code)).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await validate(unlucky.email, wrong(unlucky.code))).status).toBe(404);
    expect((await validate(unlucky.email, unlucky.code)).status).toBe(404);
  });

  it('is replaced by the next one, which has five attempts of its own', async () => {
    const { email, code } = await forgetful();
    for (let i = 0; i < 5; i++) await validate(email, wrong(code));
    await request(email);
    const next = await mailbox.code(email);
    expect((await validate(email, code)).status).toBe(404);
    expect((await validate(email, next)).status).toBe(200);
  });

  it('works for its own account only', async () => {
    const [one, other] = [await forgetful(), await forgetful()];
    expect((await validate(other.email, one.code)).status).toBe(404);
    expect((await validate(one.email, one.code)).status).toBe(200);
  });

  it.each(invalidations)('is refused after %s', async (_, invalidate) => {
    const user = await forgetful();
    await invalidate(user);
    expect((await validate(user.email, user.code)).body['code']).toBe('invalid_code');
  });

  it('of an address that another user has taken over works for neither account', async () => {
    const { token, email, code, username } = await forgetful();
    await t.request('PATCH', '/api/users/me', { token, body: { email: null, current_password: PASSWORD } });
    const heir = await t.user();
    const body = { email, current_password: PASSWORD };
    expect((await t.request('PATCH', '/api/users/me', { token: heir.token, body })).status).toBe(200);
    const link = (await mailbox.link(email)).split('/').at(-1);
    const confirmed = { token: link, password: PASSWORD };
    expect((await t.request('POST', '/api/email-verifications', { body: confirmed })).status).toBe(204);
    expect((await validate(email, code)).status).toBe(404);
    expect(await canSignIn(username, PASSWORD)).toBe(true);
  });

  it('still works after a change of the username', async () => {
    const { token, email, code } = await forgetful();
    await t.request('PATCH', '/api/users/me', { token, body: { fullname: 'Another Name' } });
    expect((await validate(email, code)).status).toBe(200);
  });

  it('is mailed at most five times per hour; then the newest still works', async () => {
    const user = await t.user();
    const email = addressOf(user);
    const answers = [];
    for (let i = 0; i < 8; i++) answers.push(await request(email));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(await mailbox.read(email, /code/)).toHaveLength(5);
    expect((await validate(email, await mailbox.code(email))).status).toBe(200);
  });

  it.each(['', '1234567', '123456789', 'abcdefgh', '０１２３４５６７', "' or true --"])(
    'is refused as %j',
    async (code) => {
      const { email } = await forgetful();
      expect((await validate(email, code)).body['code']).toBe('invalid_code');
    },
  );

  it.each([12345678, null, ['1'], { a: 1 }, undefined])('must be a string: %j is answered with 422', async (code) => {
    expect((await validate('a@example.org', code)).status).toBe(422);
  });
});

describe('a reset token', () => {
  it('works until the last millisecond of its ten minutes', async () => {
    const [late, early] = [await proven(), await proven()];
    t.clock.advance(10 * MINUTE - 1);
    expect((await reset(early.resetToken)).status).toBe(204);
    t.clock.advance(1);
    expect((await reset(late.resetToken)).body['code']).toBe('invalid_reset_token');
  });

  it('works once', async () => {
    const { resetToken, username } = await proven();
    expect((await reset(resetToken)).status).toBe(204);
    expect((await reset(resetToken, 'another fine password')).body['code']).toBe('invalid_reset_token');
    expect(await canSignIn(username, NEW_PASSWORD)).toBe(true);
  });

  it('can be used again after a password was refused', async () => {
    const { resetToken, email, username } = await proven();
    for (const refused of ['short', 'Password1', username.padEnd(8, 'x').slice(0, 7), email, 'é'.repeat(37)]) {
      expect((await reset(resetToken, refused)).body).toMatchObject({ status: 422, code: 'password_refused' });
    }
    expect((await reset(resetToken)).status).toBe(204);
  });

  it.each(invalidations)('is refused after %s', async (_, invalidate) => {
    const user = await proven();
    await invalidate(user);
    expect((await reset(user.resetToken)).body['code']).toBe('invalid_reset_token');
  });

  it('is refused after another code was requested', async () => {
    const { email, resetToken } = await proven();
    await request(email);
    expect((await reset(resetToken)).status).toBe(404);
  });

  it.each(['', 'x', "' or true --", 'A'.repeat(43)])('is refused as %j', async (token) => {
    expect((await reset(token)).body['code']).toBe('invalid_reset_token');
  });
});

describe('responses to known and unknown addresses', () => {
  /** What the database is asked during one request, and for it: without the values. */
  async function statementsOf(run: () => Promise<unknown>): Promise<string[]> {
    await sent(t);
    const texts: string[] = [];
    const { query } = pg.Client.prototype as { query: (...all: never[]) => unknown };
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: never[]) {
      const [first] = args as unknown as [string | { text: string }];
      if (requestId() !== undefined) texts.push(typeof first === 'string' ? first : first.text); // not by a timer
      return query.apply(this, args);
    } as never);
    await run();
    spy.mockRestore();
    return texts.slice(0, texts.lastIndexOf('COMMIT') + 1);
  }

  const shape = ({ status, text, headers }: Answer) => ({
    status,
    text: text.replace(/"request_id":"[^"]+"/, ''),
    headers: [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)),
  });

  async function cases() {
    const inactive = await t.user();
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${inactive.id}`, { token, body: { is_active: false } });
    return {
      known: addressOf(await t.user()),
      unknown: `nobody${Math.random()}@example.org`,
      inactive: addressOf(inactive),
    };
  }

  it('have the same bytes and cause the same statements when a code is requested', async () => {
    const { known, unknown, inactive } = await cases();
    await request(known); // the first request of all prepares
    const answers: ReturnType<typeof shape>[] = [];
    const statements = [];
    for (const email of [known, unknown, inactive]) {
      statements.push(await statementsOf(async () => answers.push(shape(await request(email)))));
    }
    expect(answers[0]!.status).toBe(202);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(statements[0]!.length).toBeGreaterThan(6);
    expect(statements[0]!.filter((text) => /^insert into "?(mails|password_resets)\b/i.test(text))).toHaveLength(2);
    expect(statements[1]).toEqual(statements[0]);
    expect(statements[2]).toEqual(statements[0]);
    await sent(t);
    for (const email of [unknown, inactive]) expect(await mailbox.read(email, /code/)).toEqual([]);
    expect(await mailbox.read(known, /code/)).toHaveLength(2);
    const states = await t.dataSource.query<{ state: string }[]>('select state from mails order by id desc limit 2');
    expect(states).toEqual([{ state: 'discarded' }, { state: 'discarded' }]);
  });

  it('have the same bytes for codes that are wrong, unknown, expired, used or without attempts left', async () => {
    const [right, used, late, tired] = [await forgetful(), await forgetful(), await forgetful(), await forgetful()];
    const { unknown } = await cases();
    const known = await forgetful();
    await validate(used.email, used.code);
    for (let i = 0; i < 5; i++) await validate(tired.email, wrong(tired.code));
    await request(unknown);
    const tries: [string, string][] = [
      [known.email, wrong(known.code)],
      [unknown, '12345678'],
      ['never.seen@example.org', '12345678'],
      [used.email, used.code],
      [tired.email, tired.code],
    ];
    const answers: ReturnType<typeof shape>[] = [];
    const statements = [];
    for (const [email, code] of tries) {
      statements.push(await statementsOf(async () => answers.push(shape(await validate(email, code)))));
    }
    t.clock.advance(10 * MINUTE);
    answers.push(shape(await validate(late.email, late.code)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    for (const list of statements) expect(list).toEqual(statements[0]);
    expect(answers[0]!.status).toBe(404);
    expect(right.code).not.toBe(wrong(right.code));
  });
});

describe('POST /api/users/:id/password-reset', () => {
  const trigger = async (id: string) =>
    t.request('POST', `/api/users/${id}/password-reset`, { token: await t.asAdmin() });

  it('mails the user a code, which the administrator does not see', async () => {
    const user = await t.user();
    const { status, text } = await trigger(user.id);
    expect(status).toBe(202);
    const code = await mailbox.code(addressOf(user));
    expect(text).not.toContain(code);
    expect(await canSignIn(user.username, PASSWORD)).toBe(true); // nothing has changed yet
    expect((await validate(addressOf(user), code)).status).toBe(200);
    const { body } = await t.request('GET', `/api/audit?subject_id=${user.id}`, { token: await t.asAdmin() });
    const { body: admin } = await t.request('GET', '/api/users/me', { token: await t.asAdmin() });
    const asked = { action: 'user.password_reset_requested', actor_id: admin['id'], succeeded: true };
    expect(body['items']).toContainEqual(expect.objectContaining(asked));
  });

  it('answers with the reason when it cannot mail a code', async () => {
    const body = { username: 'mailless', password: PASSWORD, fullname: 'Mail Less' };
    const mailless = await t.request('POST', '/api/users', { body });
    expect((await trigger(mailless.body['id'])).body).toMatchObject({ status: 409, code: 'no_email' });
    expect((await trigger('0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42')).body['code']).toBe('user_not_found');
    const user = await t.user();
    for (let i = 0; i < 5; i++) expect((await trigger(user.id)).status).toBe(202);
    expect((await trigger(user.id)).body).toMatchObject({ status: 429, code: 'too_many_mails' });
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${user.id}`, { token, body: { is_active: false } });
    expect((await trigger(user.id)).body).toMatchObject({ status: 409, code: 'user_deactivated' });
  });
});

it('expired rows of unknown addresses are deleted', async () => {
  const count = async () =>
    Number((await t.dataSource.query<{ count: string }[]>('select count(*) from password_resets'))[0]!.count);
  await t.dataSource.query('delete from password_resets');
  for (let i = 0; i < 12; i++) await request(`nobody${i}@example.org`);
  expect(await count()).toBe(12);
  t.clock.advance(20 * MINUTE + 1);
  await request('nobody12@example.org');
  await request('nobody13@example.org');
  expect(await count()).toBe(2);
});

it('the database and the logs contain no code, token or address of a mail in clear text', async () => {
  await smtp.stopListening(); // so that the mails stay in the outbox
  const user = await t.user();
  await request(addressOf(user));
  await sent(t);
  const dump = async () => {
    const tables = await t.dataSource.query<{ name: string }[]>(
      `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
    );
    const rows = await Promise.all(
      tables.map(({ name }) => t.dataSource.query<{ row: string }[]>(`select t::text as row from "${name}" t`)),
    );
    return rows
      .flat()
      .map(({ row }) => row)
      .join('\n');
  };
  const whileQueued = await dump();
  await smtp.listenAgain();
  t.clock.advance(5_000);
  const code = await mailbox.code(addressOf(user));
  const link = await mailbox.link(addressOf(user));
  const { body } = await validate(addressOf(user), code);
  const whileProven = await dump();
  await reset(body['reset_token']);
  const token = link.split('/').at(-1)!;
  const secrets = [code, token, body['reset_token']];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThanOrEqual(8);
    const forms = [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')];
    if (secret.length === 43) forms.push(Buffer.from(secret, 'base64url').toString('hex'));
    for (const form of forms) {
      expect(whileQueued).not.toContain(form);
      expect(whileProven).not.toContain(form);
      expect(await dump()).not.toContain(form);
      expect(t.logLines.join('')).not.toContain(form);
    }
  }
  expect(whileQueued).toContain(user.username); // it is a dump
  expect(t.logLines.join('')).toContain('/api/password-resets');
  expect(t.logLines.join('')).not.toContain(addressOf(user));
});
