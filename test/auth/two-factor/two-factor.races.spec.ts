import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { challengeFor, codeAt, type TwoFactorUser, twoFactorUser, wrongCodeAt } from '../../support/clients/totp.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const CROWD = 30;
const answer = (challenge: string, code: string) =>
  t.request('POST', '/api/sessions/two-step', { body: { challenge, code } });

const tally = (answers: Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = `${status} ${body['code'] ?? ''}`.trim();
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};

const sessionsOf = async ({ id }: TwoFactorUser) =>
  (await t.dataSource.query<unknown[]>('select from sessions where user_id = $1', [id])).length;

const manyChallenges = (user: TwoFactorUser) => Promise.all(Array.from({ length: CROWD }, () => challengeFor(t, user)));

it('30 sign-ins at once with one app code open one session', async () => {
  const user = await twoFactorUser(t);
  t.clock.advance(30_000);
  const code = codeAt(user.secret, t.clock.now());
  const challenges = await manyChallenges(user);
  await t.warmUp();
  const answers = await Promise.all(challenges.map((challenge) => answer(challenge, code)));
  expect(tally(answers)['201']).toBe(1);
  expect(await sessionsOf(user)).toBe(2); // and the one that turned it on
});

it('30 sign-ins at once with one recovery code open one session', async () => {
  const user = await twoFactorUser(t);
  const challenges = await manyChallenges(user);
  await t.warmUp();
  const answers = await Promise.all(challenges.map((challenge) => answer(challenge, user.recoveryCodes[0]!)));
  expect(tally(answers)).toEqual({ '201': 1, '403 wrong_code': CROWD - 1 });
});

it('a challenge answered at once with ten recovery codes and an app code opens one session and uses up one code', async () => {
  const user = await twoFactorUser(t);
  t.clock.advance(30_000);
  const challenge = await challengeFor(t, user);
  await t.warmUp();
  const codes = [...user.recoveryCodes, codeAt(user.secret, t.clock.now())];
  const answers = await Promise.all(codes.map((code) => answer(challenge, code)));
  expect(tally(answers)).toEqual({ '201': 1, '401 invalid_challenge': 10 });
  const [row] = await t.dataSource.query<{ left: number; last_step: number }[]>(
    'select cardinality(recovery_hashes) as left, last_step from two_factor where user_id = $1',
    [user.id],
  );
  const appUsed = row!.last_step === Math.floor(t.clock.now() / 30_000) ? 1 : 0;
  expect(10 - row!.left + appUsed).toBe(1);
});

it('30 wrong codes at once for different sign-ins of a user are checked five times', async () => {
  const user = await twoFactorUser(t);
  t.clock.advance(30_000);
  const challenges = await manyChallenges(user);
  await t.warmUp();
  const wrong = wrongCodeAt(user.secret, t.clock.now());
  const answers = await Promise.all(challenges.map((challenge) => answer(challenge, wrong)));
  expect(tally(answers)).toEqual({ '403 wrong_code': 5, '429 too_many_codes': CROWD - 5 });
});

it('30 wrong codes at once for one challenge are checked five times', async () => {
  const user = await twoFactorUser(t);
  const challenge = await challengeFor(t, user);
  await t.warmUp();
  const answers = await Promise.all(Array.from({ length: CROWD }, () => answer(challenge, 'aaaa-aaaa-aaaa-aaaa')));
  expect(tally(answers)).toEqual({ '403 wrong_code': 5, '401 invalid_challenge': CROWD - 5 });
});

it('30 confirmations at once enable two-factor authentication once, with one set of recovery codes', async () => {
  const user = await t.user();
  const { token } = user;
  const path = '/api/users/me/two-step';
  const begun = await t.request('POST', path, { token, body: { current_password: PASSWORD } });
  const code = codeAt(begun.body['secret'], t.clock.now());
  await t.warmUp();
  const confirm = () => t.request('POST', `${path}/confirm`, { token, body: { code } });
  const answers = await Promise.all(Array.from({ length: CROWD }, confirm));
  expect(tally(answers)).toEqual({ '200': 1, '409 two_step_on': CROWD - 1 });
});

it('a sign-in during confirmation requires a code, or its session is revoked', async () => {
  for (let round = 0; round < 40; round++) {
    const user = await t.user();
    const { token, username } = user;
    const path = '/api/users/me/two-step';
    const begun = await t.request('POST', path, { token, body: { current_password: PASSWORD } });
    const code = codeAt(begun.body['secret'], t.clock.now());
    const signIn = () => t.request('POST', '/api/sessions', { body: { login: username, password: PASSWORD } });
    const [confirmed] = await Promise.all([
      t.request('POST', `${path}/confirm`, { token, body: { code } }),
      ...Array.from({ length: 6 }, signIn),
    ]);
    expect(confirmed.status).toBe(200);
    const left = await t.dataSource.query<{ id: string }[]>('select id from sessions where user_id = $1', [user.id]);
    expect(left).toHaveLength(1);
  }
});

it('a code sent during a password change or during disabling leaves no unauthorised session', async () => {
  for (let round = 0; round < 20; round++) {
    const user = await twoFactorUser(t);
    t.clock.advance(30_000);
    const challenge = await challengeFor(t, user);
    const change = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
    const code = codeAt(user.secret, t.clock.now());
    const [signedIn, changed] = await Promise.all([
      answer(challenge, code),
      t.request('PUT', '/api/users/me/password', { token: user.token, body: change }),
    ]);
    expect(changed.status).toBe(204);
    expect([201, 401]).toContain(signedIn.status);
    expect(await sessionsOf(user)).toBe(0);
  }
  for (let round = 0; round < 20; round++) {
    const user = await twoFactorUser(t);
    t.clock.advance(30_000);
    const challenge = await challengeFor(t, user);
    const code = codeAt(user.secret, t.clock.now());
    const body = { current_password: PASSWORD, code: user.recoveryCodes[0] };
    const [signedIn, off] = await Promise.all([
      answer(challenge, code),
      t.request('DELETE', '/api/users/me/two-step', { token: user.token, body }),
    ]);
    expect([signedIn.status, off.status]).toEqual([expect.toBeOneOf([201, 401]), 204]);
  }
});
