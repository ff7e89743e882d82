import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionsService } from '../../../src/auth/sessions/sessions.service.js';
import { SignInService } from '../../../src/auth/sign-in.service.js';
import type { Problem } from '../../../src/http/problem.js';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { challengeFor, codeAt, type TwoFactorUser, twoFactorUser, wrongCodeAt } from '../../support/totp.js';

const STEP = 30_000;
const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '1d' } });
  t.clock.set(Math.floor(Date.now() / STEP) * STEP + 1000); // a second into a step, and standing still
});
afterAll(() => t.stop());

const path = '/api/users/me/two-step';
const withPassword = { current_password: PASSWORD };
const get = (token: string) => t.request('GET', path, { token });
const begin = (token: string, body: object = withPassword) => t.request('POST', path, { token, body });
const confirm = (token: string, code: string) => t.request('POST', `${path}/confirm`, { token, body: { code } });
const turnOff = (token: string, body: object = withPassword) => t.request('DELETE', path, { token, body });
const renew = (token: string, body: object = withPassword) => t.request('POST', `${path}/recovery-codes`, { token, body }); // prettier-ignore
const signIn = (login: string, password = PASSWORD) => t.request('POST', '/api/sessions', { body: { login, password } }); // prettier-ignore
const answer = (challenge: string, code: string) => t.request('POST', '/api/sessions/two-step', { body: { challenge, code } }); // prettier-ignore

const codeNow = (user: TwoFactorUser) => codeAt(user.secret, t.clock.now());
const wrongCode = (user: TwoFactorUser) => wrongCodeAt(user.secret, t.clock.now());

/** To the next step, whose code nobody has used. */
const nextStep = () => t.clock.advance(STEP);

async function auditOf(id: string): Promise<string[]> {
  const rows = await t.dataSource.query<{ action: string }[]>(
    `select action from audit_events where subject_id = $1 and action ~ '^two_step' order by id`,
    [id],
  );
  return rows.map(({ action }) => action);
}

const sessionsOf = async (id: string) =>
  (await t.dataSource.query<unknown[]>('select from sessions where user_id = $1', [id])).length;

describe('two-factor setup', () => {
  it('requires the password and a first code of the new secret, and returns ten recovery codes', async () => {
    const user = await t.user();
    expect((await get(user.token)).body).toEqual({ enabled: false, confirmed_at: null, recovery_codes_left: 0 });

    const begun = await begin(user.token);
    expect(begun.status).toBe(201);
    expect(begun.body).toEqual({ secret: expect.stringMatching(/^[A-Z2-7]{32}$/), uri: expect.any(String) });
    expect(new URL(begun.body['uri'] as string).searchParams.get('secret')).toBe(begun.body['secret']);
    expect(begun.body['uri']).toContain(`Machi:${user.username}`);
    expect((await get(user.token)).body['enabled']).toBe(false);
    expect((await signIn(user.username)).status).toBe(201); // nothing is asked for yet

    const code = codeAt(begun.body['secret'] as string, t.clock.now());
    const confirmed = await confirm(user.token, code);
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toEqual({ recovery_codes: Array(10).fill(expect.stringMatching(/^(\w{4}-){3}\w{4}$/)) });
    expect((await get(user.token)).body).toEqual({
      enabled: true,
      confirmed_at: t.clock.date().toISOString(),
      recovery_codes_left: 10,
    });
    expect(await auditOf(user.id)).toEqual(['two_step.enabled']);
  });

  it('revokes all sessions but the current one', async () => {
    const user = await t.user();
    const other = await t.signIn(user.username, PASSWORD);
    const { body } = await begin(user.token);
    await confirm(user.token, codeAt(body['secret'] as string, t.clock.now()));
    expect((await get(other)).status).toBe(401);
    expect((await get(user.token)).status).toBe(200);
  });

  it('accepts a code of the newest secret only', async () => {
    const user = await t.user();
    const first = (await begin(user.token)).body['secret'] as string;
    const second = (await begin(user.token)).body['secret'] as string;
    expect((await confirm(user.token, codeAt(first, t.clock.now()))).body).toMatchObject({ status: 403, code: 'wrong_code' }); // prettier-ignore
    expect((await confirm(user.token, wrongCodeAt(second, t.clock.now()))).status).toBe(403);
    expect((await signIn(user.username)).status).toBe(201);
    expect((await confirm(user.token, codeAt(second, t.clock.now()))).status).toBe(200);
  });

  it('is refused while enabled, and confirmation is refused while enabled or before setup', async () => {
    const [user, other] = [await twoFactorUser(t), await t.user()];
    expect((await begin(user.token)).body).toMatchObject({ status: 409, code: 'two_step_on' });
    nextStep();
    expect((await confirm(user.token, codeNow(user))).body).toMatchObject({ status: 409, code: 'two_step_on' });
    expect((await confirm(other.token, '123456')).body).toMatchObject({ status: 404, code: 'two_step_not_found' });
  });

  it.each([
    [{ current_password: 'wrong' }, 403, 'wrong_password'],
    [{}, 422, 'validation_failed'],
    [{ current_password: null }, 422, 'validation_failed'],
    [{ current_password: 1 }, 422, 'validation_failed'],
    [{ ...withPassword, secret: 'JBSWY3DPEHPK3PXP' }, 422, 'validation_failed'],
  ])('is refused with %j, as are disabling and new recovery codes', async (body, status, code) => {
    const [fresh, user] = [await t.user(), await twoFactorUser(t)];
    for (const refused of [
      await begin(fresh.token, body),
      await turnOff(user.token, body),
      await renew(user.token, body),
    ]) {
      // prettier-ignore
      expect([refused.status, refused.body['code']]).toEqual([status, code]);
    }
    expect((await get(user.token)).body['enabled']).toBe(true);
  });

  it('is available to users without a password for ten minutes after signing in', async () => {
    const user = await t.user();
    await t.dataSource.query('update users set password_hash = null where id = $1', [user.id]);
    t.clock.advance(10 * MINUTE - 1);
    expect((await begin(user.token, {})).status).toBe(201);
    t.clock.advance(1);
    expect((await begin(user.token, {})).body).toMatchObject({ status: 403, code: 'sign_in_again' });
    expect((await begin(user.token, withPassword)).body['code']).toBe('sign_in_again');
  });
});

describe('signing in with two-factor authentication', () => {
  it('returns a challenge for the correct password', async () => {
    const user = await twoFactorUser(t);
    const asked = await signIn(user.username);
    expect(asked.body).toMatchObject({
      status: 401,
      code: 'two_step_required',
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      challenge_expires_at: new Date(t.clock.now() + 5 * MINUTE).toISOString(),
    });
    expect(asked.body).not.toHaveProperty('identity_token');
    nextStep();
    const { status, body } = await answer(asked.body['challenge'] as string, codeNow(user));
    expect(status).toBe(201);
    expect(body).toMatchObject({ token_type: 'Bearer', user: { id: user.id } });
    expect((await get(body['identity_token'] as string)).body['enabled']).toBe(true);
  });

  it('returns a challenge for a sign-in by e-mail address', async () => {
    const user = await twoFactorUser(t);
    expect((await signIn(`${user.username}@example.org`)).body['code']).toBe('two_step_required');
  });

  it('returns byte-identical responses for a wrong password with and without two-factor authentication', async () => {
    const [plain, user] = [await t.user(), await twoFactorUser(t)];
    const attempts = [await signIn(plain.username, 'wrong'), await signIn(user.username, 'wrong'), await signIn('nobody', 'wrong')]; // prettier-ignore
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
    const refused = async (code: string) => expect((await answer(await challengeFor(t, user), code)).body['code']).toBe('wrong_code'); // prettier-ignore
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
  const asked = await signIns.openSession(credential, device, {}).catch((error: Problem) => error);
  expect(asked).toMatchObject({ code: 'two_step_required' });
  nextStep();
  expect((await answer((asked as Problem).members['challenge'] as string, codeNow(user))).status).toBe(201);
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
    await turnOff(other.token);
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

describe('recovery codes', () => {
  it('are accepted once each, in any spelling', async () => {
    const user = await twoFactorUser(t);
    const [one, two] = user.recoveryCodes as [string, string];
    expect((await answer(await challengeFor(t, user), one)).status).toBe(201);
    expect((await answer(await challengeFor(t, user), one)).body['code']).toBe('wrong_code');
    expect((await answer(await challengeFor(t, user), two.toUpperCase().replaceAll('-', ' '))).status).toBe(201);
    expect((await get(user.token)).body['recovery_codes_left']).toBe(8);
    const [event] = await t.dataSource.query<object[]>(
      `select actor_id, details from audit_events where subject_id = $1 and action = 'two_step.recovery_code_used'`,
      [user.id],
    );
    expect(event).toEqual({ actor_id: user.id, details: { left: 9 } });
  });

  it('become invalid when new ones are created', async () => {
    const user = await twoFactorUser(t);
    await answer(await challengeFor(t, user), user.recoveryCodes[0]!);
    const { status, body } = await renew(user.token);
    expect([status, body['recovery_codes'].length]).toEqual([201, 10]);
    expect((await get(user.token)).body['recovery_codes_left']).toBe(10);
    expect((await answer(await challengeFor(t, user), user.recoveryCodes[1]!)).status).toBe(403);
    expect((await answer(await challengeFor(t, user), body['recovery_codes'][9] as string)).status).toBe(201);
    expect(await auditOf(user.id)).toContain('two_step.recovery_codes_made');
  });

  it('can be created only while two-factor authentication is on', async () => {
    const user = await t.user();
    await begin(user.token);
    expect((await renew(user.token)).body).toMatchObject({ status: 404, code: 'two_step_not_found' });
  });
});

describe('disabling two-factor authentication', () => {
  it('requires the password, and sign-in then requires no code', async () => {
    const user = await twoFactorUser(t);
    expect((await turnOff(user.token)).status).toBe(204);
    expect((await get(user.token)).body).toEqual({ enabled: false, confirmed_at: null, recovery_codes_left: 0 });
    expect((await signIn(user.username)).status).toBe(201);
    expect((await turnOff(user.token)).body).toMatchObject({ status: 404, code: 'two_step_not_found' });
    expect(await auditOf(user.id)).toEqual(['two_step.enabled', 'two_step.disabled']);
  });

  it('is possible for administrators on behalf of a user', async () => {
    const user = await twoFactorUser(t);
    const token = await t.asAdmin();
    const removal = `/api/users/${user.id}/two-step`;
    expect((await t.request('DELETE', removal, { token: user.token })).status).toBe(403);
    expect((await t.request('DELETE', removal, { token })).status).toBe(204);
    expect((await t.request('DELETE', removal, { token })).body['code']).toBe('two_step_not_found');
    expect((await signIn(user.username)).status).toBe(201);
    const [event] = await t.dataSource.query<{ actor_id: string }[]>(
      `select actor_id from audit_events where subject_id = $1 and action = 'two_step.disabled'`,
      [user.id],
    );
    const admin = await t.request('GET', '/api/users/me', { token });
    expect(event!.actor_id).toBe(admin.body['id']);
  });

  it('is implied by deleting the user, which leaves no rows', async () => {
    const user = await twoFactorUser(t);
    await challengeFor(t, user);
    await t.request('DELETE', '/api/users/me', { token: user.token, body: { password: PASSWORD } });
    for (const table of ['two_factor', 'two_factor_challenges']) {
      expect(await t.dataSource.query(`select from ${table} where user_id = $1`, [user.id])).toEqual([]);
    }
  });
});

it('the database and the logs contain no secret, code or challenge in clear', async () => {
  const user = await twoFactorUser(t);
  const [used, ...others] = user.recoveryCodes as [string, ...string[]];
  const challenge = await challengeFor(t, user);
  await answer(challenge, used);
  const pending = await challengeFor(t, user);
  const tables = ['two_factor', 'two_factor_challenges', 'audit_events', 'sessions'];
  const dumps = await Promise.all(
    tables.map((table) => t.dataSource.query<{ row: string }[]>(`select to_jsonb(x)::text as row from ${table} x`)),
  );
  const kept = [...dumps.flat().map(({ row }) => row), ...t.logLines].join('\n').toLowerCase();
  expect(kept).toContain(user.id); // the search would find something
  const hex = (text: string) => Buffer.from(text).toString('hex');
  const secrets = [user.secret, challenge, pending, used, ...others, used.replaceAll('-', '')];
  for (const secret of secrets) {
    expect(kept).not.toContain(secret.toLowerCase());
    expect(kept).not.toContain(hex(secret));
    expect(kept).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
  }
});

it("an encrypted secret cannot be decrypted in another user's row", async () => {
  const [user, thief] = [await twoFactorUser(t), await twoFactorUser(t)];
  const copy = 'update two_factor set secret = (select secret from two_factor where user_id = $2) where user_id = $1';
  await t.dataSource.query(copy, [user.id, thief.id]);
  nextStep();
  expect((await answer(await challengeFor(t, user), codeNow(thief))).status).toBe(500);
  expect(await sessionsOf(user.id)).toBe(1);
});

it('issuing a challenge deletes expired challenges', async () => {
  const user = await twoFactorUser(t);
  await challengeFor(t, user);
  t.clock.advance(5 * MINUTE);
  await challengeFor(t, user);
  const rows = await t.dataSource.query<{ expires_at: Date }[]>('select expires_at from two_factor_challenges');
  expect(rows.map(({ expires_at }) => expires_at.getTime())).toEqual([t.clock.now() + 5 * MINUTE]);
});
