import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { addressOf, mailboxes, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { SMTP_URL: smtp.url } });
  await t.warmUp();
});
beforeEach(() => t.clock.set(t.clock.now() + 3_600_000));
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const request = (email: string) => t.request('POST', '/api/password-resets', { body: { email } });
const validate = (email: string, code: string) =>
  t.request('POST', '/api/password-resets/validate', { body: { email, code } });
const reset = (reset_token: string, password: string) =>
  t.request('PUT', '/api/password-resets', { body: { reset_token, password } });

async function forgetful() {
  const user = await t.user();
  const email = addressOf(user);
  await request(email);
  return { ...user, email, code: await mailbox.code(email) };
}

const statuses = (answers: { status: number }[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

it('30 concurrent codes use up five attempts; a correct code among the other 25 is refused', async () => {
  const { email, code } = await forgetful();
  const guesses = Array.from({ length: 30 }, (_, i) => String((Number(code) + 1 + i) % 100_000_000).padStart(8, '0'));
  const answers = await Promise.all(guesses.map((guess) => validate(email, guess)));
  expect(statuses(answers)).toEqual({ '404': 30 });
  const [row] = await t.dataSource.query<{ tries_left: number }[]>(
    `select tries_left from password_resets r join users u on u.id = r.user_id where u.email = $1`,
    [email],
  );
  expect(row!.tries_left).toBe(0);
  expect((await validate(email, code)).status).toBe(404);
});

it('a correct code in 30 concurrent requests is exchanged once', async () => {
  const { email, code } = await forgetful();
  const answers = await Promise.all(Array.from({ length: 30 }, () => validate(email, code)));
  expect(statuses(answers)).toEqual({ '200': 1, '404': 29 });
  const token = answers.find(({ status }) => status === 200)!.body['reset_token'];
  expect((await reset(token, 'silent meadow ninety')).status).toBe(204);
});

it('a reset token in 30 concurrent requests sets one password', async () => {
  const { email, code } = await forgetful();
  const token = (await validate(email, code)).body['reset_token'];
  const passwords = Array.from({ length: 30 }, (_, i) => `silent meadow number ${i}`);
  const answers = await Promise.all(passwords.map((password) => reset(token, password)));
  expect(statuses(answers)).toEqual({ '204': 1, '404': 29 });
  const winner = passwords[answers.findIndex(({ status }) => status === 204)]!;
  await t.signIn(email, winner);
  expect(await mailbox.read(email, /was changed/)).toHaveLength(1);
});

it('30 concurrent requests mail five codes, of which the last works', async () => {
  const email = addressOf(await t.user());
  const answers = await Promise.all(Array.from({ length: 30 }, () => request(email)));
  expect(statuses(answers)).toEqual({ '202': 30 });
  const mails = await mailbox.read(email, /code/);
  expect(mails).toHaveLength(5);
  const codes = mails.map(({ text }) => /^ {4}(\d{8})$/m.exec(text)![1]!);
  const answersOfAll = [];
  for (const code of codes) answersOfAll.push(await validate(email, code));
  expect(statuses(answersOfAll)).toEqual({ '200': 1, '404': 4 });
});

const ROUNDS = 24;

/** What may happen to a reset while its user changes the address. */
const STEPS: Record<string, (email: string, code: string, token: string) => Promise<{ status: number }>> = {
  request: (email) => request(email),
  validate: (email, code) => validate(email, code),
  reset: (_email, _code, token) => reset(token, 'silent meadow ninety'),
};

it.each(Object.keys(STEPS))(
  `"%s" during a change of the e-mail address leaves no reset open for the old one, ${ROUNDS} times`,
  async (step) => {
    const [old, next] = [{ email: 'old@example.org' }, { email: 'new@example.org' }].map(({ email }) => email);
    for (let round = 0; round < ROUNDS; round++) {
      t.clock.advance(3_600_000);
      await t.dataSource.query(`delete from users where email in ('old@example.org', 'new@example.org')`);
      const user = await t.user();
      await t.dataSource.query('update users set email = $1 where id = $2', [old, user.id]);
      const token = await t.signIn(user.username, PASSWORD);
      await request(old!);
      const code = step === 'request' ? '' : await mailbox.code(old!);
      const proof = step === 'reset' ? (await validate(old!, code)).body['reset_token'] : '';
      const body = { email: next, current_password: PASSWORD };
      await t.request('PATCH', '/api/users/me', { token, body });
      const link = (await mailbox.link(next!)).split('/').at(-1);
      const change = () => t.request('POST', '/api/email-verifications', { body: { token: link, password: PASSWORD } });
      const attempt = () => STEPS[step]!(old!, code, proof);
      const both = round % 2 ? [attempt(), change()] : [change(), attempt()];
      const answers = await Promise.all(both);
      expect(answers.every(({ status }) => [200, 202, 204, 401, 403, 404].includes(status))).toBe(true);
      const rows = await t.dataSource.query<object[]>(
        'select from password_resets r join users u on u.id = r.user_id where u.id = $1 and u.email = $2',
        [user.id, next],
      );
      expect(rows).toEqual([]);
    }
  },
  60_000,
);
