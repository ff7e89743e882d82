import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionsService } from '../../../src/auth/sessions/sessions.service.js';
import { SignInService } from '../../../src/auth/sign-in.service.js';
import type { Problem } from '../../../src/http/problems/problem.js';
import { PASSWORD, type TestApp, startApp } from '../../support/app.js';
import { challengeFor, codeAt, twoFactorUser } from '../../support/clients/totp.js';
import { STEP, twoFactorClient } from '../../support/clients/two-factor-client.js';

const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '1d' } });
  t.clock.set(Math.floor(Date.now() / STEP) * STEP + 1000); // one second into a time step; the clock stands still
});
afterAll(() => t.stop());

const { path, get, turnOff, proofOf, signIn, answer, codeNow, wrongCode, nextStep, auditOf, sessionsOf } =
  twoFactorClient(() => t);

describe('signing in with two-factor authentication', () => {
  it('returns a challenge for the correct password', async () => {
    const user = await twoFactorUser(t);
    const challenged = await signIn(user.username);
    expect(challenged.body).toMatchObject({
      status: 401,
      code: 'two_step_required',
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      challenge_expires_at: new Date(t.clock.now() + 5 * MINUTE).toISOString(),
    });
    expect(challenged.body).not.toHaveProperty('identity_token');
    nextStep();
    const { status, body } = await answer(challenged.body['challenge']!, codeNow(user));
    expect(status).toBe(201);
    expect(body).toMatchObject({ token_type: 'Bearer', user: { id: user.id } });
    expect((await get(body['identity_token'])).body['enabled']).toBe(true);
  });

  it('returns a challenge for a sign-in by e-mail address', async () => {
    const user = await twoFactorUser(t);
    expect((await signIn(`${user.username}@example.org`)).body['code']).toBe('two_step_required');
  });

  it('returns byte-identical responses for a wrong password with and without two-factor authentication', async () => {
    const [plain, user] = [await t.user(), await twoFactorUser(t)];
    const attempts = [
      await signIn(plain.username, 'wrong'),
      await signIn(user.username, 'wrong'),
      await signIn('nobody', 'wrong'),
    ];
    const texts = attempts.map(({ text, headers }) => text.replace(headers.get('x-request-id')!, ''));
    expect(new Set(texts).size).toBe(1);
    expect(attempts[0]!.body['code']).toBe('invalid_credentials');
  });

  it('is refused for deactivated users, before and after the challenge', async () => {
    const user = await twoFactorUser(t);
    const challenge = await challengeFor(t, user);
    const admin = await t.asAdmin();
    await t.request('PATCH', `/api/users/${user.id}`, { token: admin, body: { is_active: false } });
    nextStep();
    expect((await answer(challenge, codeNow(user))).body).toMatchObject({ status: 401, code: 'invalid_challenge' });
    expect((await signIn(user.username)).body['code']).toBe('invalid_credentials');
    await t.request('PATCH', `/api/users/${user.id}`, { token: admin, body: { is_active: true } });
    expect(await sessionsOf(user.id)).toBe(0);
  });

  it('accepts codes of the previous, current and next time step only', async () => {
    const user = await twoFactorUser(t);
    t.clock.advance(10 * STEP);
    const now = t.clock.now();
    const challenge = await challengeFor(t, user);
    for (const offset of [-3, -2, 2, 3]) {
      const { body } = await answer(challenge, codeAt(user.secret, now + offset * STEP));
      expect([offset, body['status'], body['code']]).toEqual([offset, 403, 'wrong_code']);
    }
    expect((await answer(challenge, codeAt(user.secret, now - STEP))).status).toBe(201);
    expect((await answer(await challengeFor(t, user), codeAt(user.secret, now + STEP))).status).toBe(201);
  });

  it('accepts each code once, including the one of the setup, and none older than a used one', async () => {
    const user = await twoFactorUser(t);
    const refused = async (code: string) =>
      expect((await answer(await challengeFor(t, user), code)).body['code']).toBe('wrong_code');
    await refused(codeNow(user));
    nextStep();
    const code = codeNow(user);
    expect((await answer(await challengeFor(t, user), code)).status).toBe(201);
    await refused(code);
    await refused(codeAt(user.secret, t.clock.now() - STEP));
    nextStep();
    await refused(code);
    expect((await answer(await challengeFor(t, user), codeNow(user))).status).toBe(201);
  });

  it("accepts a user's code for that user only", async () => {
    const [one, two] = [await twoFactorUser(t), await twoFactorUser(t)];
    nextStep();
    expect((await answer(await challengeFor(t, one), codeNow(two))).status).toBe(403);
    expect((await answer(await challengeFor(t, one), two.recoveryCodes[0]!)).status).toBe(403);
    expect((await answer(await challengeFor(t, two), two.recoveryCodes[0]!)).status).toBe(201);
  });

  it.each([
    {},
    { challenge: 'x' },
    { code: '123456' },
    { challenge: 'x', code: 123456 },
    { challenge: ['x'], code: '123456' },
    { challenge: 'x'.repeat(101), code: '123456' },
    { challenge: 'x', code: '1'.repeat(51) },
    { challenge: 'x', code: '12345' },
    { challenge: 'x', code: '123456', login: 'a' },
  ])('refuses %j', async (body) => {
    expect((await t.request('POST', '/api/sessions/two-step', { body })).body['code']).toBe('validation_failed');
  });

  it.each(['２８７０８２', 'ab cd ef', "' or 1=1 --", '💥💥💥💥💥💥', '-1e+06', '      '])(
    'counts %j as a wrong code',
    async (code) => {
      const user = await twoFactorUser(t);
      expect((await answer(await challengeFor(t, user), code)).body).toMatchObject({ status: 403, code: 'wrong_code' });
    },
  );
});

it('SessionsService.open refuses every credential without a verified code while two-factor authentication is on', async () => {
  const user = await twoFactorUser(t);
  const device = { ip: null, user_agent: null };
  const credential = { userId: user.id };
  const [sessions, signIns] = [t.app.get(SessionsService), t.app.get(SignInService)];
  expect(await t.dataSource.transaction((manager) => sessions.open(manager, credential, device, {}))).toBeNull();
  const challenged = await signIns.openSession(credential, device, {}).catch((error: Problem) => error);
  expect(challenged).toMatchObject({ code: 'two_step_required' });
  nextStep();
  expect((await answer((challenged as Problem).members['challenge'] as string, codeNow(user))).status).toBe(201);
});

it('compatibility routes answer 401 for users with two-factor authentication', async () => {
  const user = await twoFactorUser(t);
  const body = { username: user.username, password: PASSWORD };
  const { status, headers } = await t.request('POST', '/api/auth/login', { body });
  expect([status, headers.get('set-cookie')]).toEqual([401, null]);
  expect(await sessionsOf(user.id)).toBe(1);
});

it('a correct password without a following code does not count as a failed sign-in', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const user = await twoFactorUser(limited);
  for (let i = 0; i < 25; i++) await challengeFor(limited, user);
  await limited.stop();
});

describe('a two-factor challenge', () => {
  it('expires at the exact millisecond', async () => {
    const user = await twoFactorUser(t);
    const [one, two] = [await challengeFor(t, user), await challengeFor(t, user)];
    t.clock.advance(5 * MINUTE - 1);
    expect((await answer(one, codeNow(user))).status).toBe(201);
    t.clock.advance(1);
    expect((await answer(two, user.recoveryCodes[0]!)).body).toMatchObject({ status: 401, code: 'invalid_challenge' });
    expect((await get(user.token)).body['recovery_codes_left']).toBe(10);
  });

  it('is valid for one sign-in', async () => {
    const user = await twoFactorUser(t);
    nextStep();
    const challenge = await challengeFor(t, user);
    expect((await answer(challenge, codeNow(user))).status).toBe(201);
    nextStep();
    expect((await answer(challenge, codeNow(user))).body['code']).toBe('invalid_challenge');
    expect((await answer(challenge, user.recoveryCodes[0]!)).body['code']).toBe('invalid_challenge');
  });

  it('is invalid after a password change and after disabling two-factor authentication', async () => {
    const user = await twoFactorUser(t);
    const old = await challengeFor(t, user);
    const body = { current_password: PASSWORD, new_password: 'silent meadow ninety' };
    await t.request('PUT', '/api/users/me/password', { token: user.token, body });
    nextStep();
    expect((await answer(old, codeNow(user))).body['code']).toBe('invalid_challenge');
    expect(await sessionsOf(user.id)).toBe(0);

    const other = await twoFactorUser(t);
    const challenge = await challengeFor(t, other);
    expect((await turnOff(other.token, proofOf(other))).status).toBe(204);
    nextStep();
    expect((await answer(challenge, codeNow(other))).body['code']).toBe('invalid_challenge');
    expect(await sessionsOf(other.id)).toBe(1);
  });

  it('is not accepted as a token, and tokens are not accepted as challenges', async () => {
    const user = await twoFactorUser(t);
    const challenge = await challengeFor(t, user);
    expect((await get(challenge)).body['code']).toBe('invalid_token');
    expect((await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: challenge } })).status).toBe(401);
    const cookie = await t.request('GET', path, { headers: { cookie: `login-token=${challenge}` } });
    expect(cookie.status).toBe(401);
    for (const other of ['x', user.token.slice(0, 100), `${challenge}x`, challenge.toUpperCase(), user.id]) {
      expect((await answer(other, codeNow(user))).body).toMatchObject({ status: 401, code: 'invalid_challenge' });
    }
  });

  it('is invalid after five wrong codes, also for the correct code', async () => {
    const user = await twoFactorUser(t);
    t.clock.advance(10 * STEP);
    const challenge = await challengeFor(t, user);
    for (let i = 0; i < 5; i++)
      expect((await answer(challenge, 'aaaa-aaaa-aaaa-aaaa')).body['code']).toBe('wrong_code');
    expect((await answer(challenge, codeNow(user))).body['code']).toBe('invalid_challenge');
    expect((await answer(await challengeFor(t, user), codeNow(user))).status).toBe(201);
  });
});

describe('wrong app codes', () => {
  it('delay the next attempt of the user across all sign-ins, to the exact millisecond', async () => {
    const user = await twoFactorUser(t);
    t.clock.advance(10 * STEP);
    for (let i = 0; i < 5; i++) {
      expect((await answer(await challengeFor(t, user), wrongCode(user))).body['code']).toBe('wrong_code');
    }
    const waiting = await answer(await challengeFor(t, user), codeNow(user));
    expect(waiting.body).toMatchObject({ status: 429, code: 'too_many_codes' });
    expect(waiting.headers.get('retry-after')).toBe('30');

    t.clock.advance(30_000 - 1);
    const challenge = await challengeFor(t, user);
    expect((await answer(challenge, codeNow(user))).headers.get('retry-after')).toBe('1');
    t.clock.advance(1);
    expect((await answer(challenge, wrongCode(user))).body['code']).toBe('wrong_code'); // the wait used up no try
    expect((await answer(challenge, codeNow(user))).headers.get('retry-after')).toBe('60');
    t.clock.advance(MINUTE);
    expect((await answer(challenge, codeNow(user))).status).toBe(201);

    nextStep(); // a right code wipes the slate
    expect((await answer(await challengeFor(t, user), wrongCode(user))).body['code']).toBe('wrong_code');
    expect((await answer(await challengeFor(t, user), codeNow(user))).status).toBe(201);
  });

  it('cause a delay of at most 15 minutes', async () => {
    const user = await twoFactorUser(t);
    const rows = 'update two_factor set wrong_codes = 1000 where user_id = $1';
    await t.dataSource.query(rows, [user.id]);
    expect((await answer(await challengeFor(t, user), wrongCode(user))).status).toBe(403);
    expect((await answer(await challengeFor(t, user), codeNow(user))).headers.get('retry-after')).toBe('900');
  });

  it('do not delay recovery codes', async () => {
    const user = await twoFactorUser(t);
    for (let i = 0; i < 5; i++) await answer(await challengeFor(t, user), wrongCode(user));
    const challenge = await challengeFor(t, user);
    expect((await answer(challenge, codeNow(user))).status).toBe(429);
    expect((await answer(challenge, user.recoveryCodes[0]!)).status).toBe(201);
  });

  it('are recorded in the audit log', async () => {
    const user = await twoFactorUser(t);
    await answer(await challengeFor(t, user), wrongCode(user));
    expect(await auditOf(user.id)).toEqual(['two_step.enabled', 'two_step.refused']);
  });
});

it('issuing a challenge deletes expired challenges', async () => {
  const user = await twoFactorUser(t);
  await challengeFor(t, user);
  t.clock.advance(5 * MINUTE);
  await challengeFor(t, user);
  const rows = await t.dataSource.query<{ expires_at: Date }[]>('select expires_at from two_factor_challenges');
  expect(rows.map(({ expires_at }) => expires_at.getTime())).toEqual([t.clock.now() + 5 * MINUTE]);
});
