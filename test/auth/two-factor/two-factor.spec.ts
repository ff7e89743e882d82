import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type TestApp, startApp } from '../../support/app.js';
import { challengeFor, codeAt, twoFactorUser, wrongCodeAt } from '../../support/clients/totp.js';
import { STEP, twoFactorClient } from '../../support/clients/two-factor-client.js';

const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '1d' } });
  t.clock.set(Math.floor(Date.now() / STEP) * STEP + 1000); // one second into a time step; the clock stands still
});
afterAll(() => t.stop());

const currentPassword = { current_password: PASSWORD };
const { get, begin, confirm, turnOff, renew, proofOf, signIn, answer, codeNow, nextStep, auditOf, sessionsOf } =
  twoFactorClient(() => t);

describe('two-factor setup', () => {
  it('requires the password and a first code of the new secret, and returns ten recovery codes', async () => {
    const user = await t.user();
    expect((await get(user.token)).body).toEqual({ enabled: false, confirmed_at: null, recovery_codes_left: 0 });

    const begun = await begin(user.token);
    expect(begun.status).toBe(201);
    expect(begun.body).toEqual({ secret: expect.stringMatching(/^[A-Z2-7]{32}$/), uri: expect.any(String) });
    expect(new URL(begun.body['uri']).searchParams.get('secret')).toBe(begun.body['secret']);
    expect(begun.body['uri']).toContain(`Machi:${user.username}`);
    expect((await get(user.token)).body['enabled']).toBe(false);
    expect((await signIn(user.username)).status).toBe(201); // no code is required yet

    const code = codeAt(begun.body['secret'], t.clock.now());
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
    await confirm(user.token, codeAt(body['secret'], t.clock.now()));
    expect((await get(other)).status).toBe(401);
    expect((await get(user.token)).status).toBe(200);
  });

  it('accepts a code of the newest secret only', async () => {
    const user = await t.user();
    const first = (await begin(user.token)).body['secret'];
    const second = (await begin(user.token)).body['secret'];
    expect((await confirm(user.token, codeAt(first, t.clock.now()))).body).toMatchObject({
      status: 403,
      code: 'wrong_code',
    });
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
    [{ ...currentPassword, secret: 'JBSWY3DPEHPK3PXP' }, 422, 'validation_failed'],
  ])('is refused with %j, as are disabling and new recovery codes', async (body, status, code) => {
    const [fresh, user] = [await t.user(), await twoFactorUser(t)];
    const { code: recoveryCode } = proofOf(user);
    for (const refused of [
      await begin(fresh.token, body),
      await turnOff(user.token, { ...body, code: recoveryCode }),
      await renew(user.token, { ...body, code: recoveryCode }),
    ]) {
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
    expect((await begin(user.token, currentPassword)).body['code']).toBe('sign_in_again');
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
    const { status, body } = await renew(user.token, proofOf(user));
    expect([status, body['recovery_codes'].length]).toEqual([201, 10]);
    expect((await get(user.token)).body['recovery_codes_left']).toBe(10);
    expect((await answer(await challengeFor(t, user), user.recoveryCodes[1]!)).status).toBe(403);
    expect((await answer(await challengeFor(t, user), body['recovery_codes'][9]!)).status).toBe(201);
    expect(await auditOf(user.id)).toContain('two_step.recovery_codes_made');
  });

  it('can be created only while two-factor authentication is on', async () => {
    const user = await t.user();
    await begin(user.token);
    const proof = { ...currentPassword, code: '123456' };
    expect((await renew(user.token, proof)).body).toMatchObject({ status: 404, code: 'two_step_not_found' });
  });
});

describe('disabling two-factor authentication', () => {
  it('requires the password and a code, and sign-in then requires no code', async () => {
    const user = await twoFactorUser(t);
    expect((await turnOff(user.token, proofOf(user))).status).toBe(204);
    expect((await get(user.token)).body).toEqual({ enabled: false, confirmed_at: null, recovery_codes_left: 0 });
    expect((await signIn(user.username)).status).toBe(201);
    expect((await turnOff(user.token, proofOf(user))).body).toMatchObject({ status: 404, code: 'two_step_not_found' });
    const codeUsed = 'two_step.recovery_code_used';
    expect(await auditOf(user.id)).toEqual(['two_step.enabled', codeUsed, 'two_step.disabled']);
  });

  it('and new recovery codes are refused with a wrong, a used or no code, and five wrong codes cause a wait', async () => {
    const user = await twoFactorUser(t);
    const used = codeNow(user);
    const missing = await turnOff(user.token, currentPassword);
    expect([missing.status, missing.body['code']]).toEqual([422, 'validation_failed']);
    const codes = [used, wrongCodeAt(user.secret, t.clock.now()), 'aaaa-aaaa-aaaa-aaaa', '999999', used];
    for (const code of codes) {
      const refused = await turnOff(user.token, { ...currentPassword, code });
      expect([refused.status, refused.body['code']]).toEqual([403, 'wrong_code']);
    }
    const last = { ...currentPassword, code: wrongCodeAt(user.secret, t.clock.now()) };
    expect((await renew(user.token, last)).body['code']).toBe('wrong_code');
    const next = await renew(user.token, { ...currentPassword, code: used });
    expect([next.status, next.body['code'], next.headers.get('retry-after')]).toEqual([429, 'too_many_codes', '30']);
    expect((await get(user.token)).body).toMatchObject({ enabled: true, recovery_codes_left: 10 });
    expect((await auditOf(user.id)).filter((action) => action === 'two_step.refused')).toHaveLength(6);
    expect((await turnOff(user.token, proofOf(user))).status).toBe(204); // a recovery code is never delayed
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
  const stored = [...dumps.flat().map(({ row }) => row), ...t.logLines].join('\n').toLowerCase();
  expect(stored).toContain(user.id); // the search would find something
  const hex = (text: string) => Buffer.from(text).toString('hex');
  const secrets = [user.secret, challenge, pending, used, ...others, used.replaceAll('-', '')];
  for (const secret of secrets) {
    expect(stored).not.toContain(secret.toLowerCase());
    expect(stored).not.toContain(hex(secret));
    expect(stored).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
  }
});

it("an encrypted secret cannot be decrypted in another user's row", async () => {
  const [user, attacker] = [await twoFactorUser(t), await twoFactorUser(t)];
  const copy = 'update two_factor set secret = (select secret from two_factor where user_id = $2) where user_id = $1';
  await t.dataSource.query(copy, [user.id, attacker.id]);
  nextStep();
  expect((await answer(await challengeFor(t, user), codeNow(attacker))).status).toBe(500);
  expect(await sessionsOf(user.id)).toBe(1);
});
