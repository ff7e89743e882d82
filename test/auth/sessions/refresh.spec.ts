import { createSecretKey, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { rounds } from '../../support/rounds.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
  await t.warmUp();
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000)); // on a whole second, standing still
afterAll(() => t.stop());

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const decode = (token: string) => jwt.decode(token) as Record<string, unknown>;
const refresh = (refresh_token: unknown) => t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });
const status = async (token: string) => (await t.request('GET', '/api/users/me', { token })).status;

/** A session of this user, or of a new one. */
async function signIn(of?: SignedInUser, password = PASSWORD) {
  const user = of ?? (await t.user());
  const { body } = await t.request('POST', '/api/sessions', { body: { login: user.username, password } });
  return {
    user,
    id: body['id'],
    identity: body['identity_token'],
    refresh: body['refresh_token'],
  };
}

const eventsOf = async (subject_id: string) => {
  const { body } = await t.request('GET', `/api/audit?subject_id=${subject_id}`, { token: await t.asAdmin() });
  return body['items'] as { action: string; session_id: string; succeeded: boolean }[];
};

describe('POST /api/sessions/refresh', () => {
  it('returns the next identity and refresh token of the same session', async () => {
    const first = await signIn();
    t.clock.advance(MINUTE);
    const { status: code, body } = await refresh(first.refresh);
    expect(code).toBe(200);
    expect(body).toMatchObject({ id: first.id, token_type: 'Bearer', user: { id: first.user.id } });
    const [identity, next] = [decode(body['identity_token']), decode(body['refresh_token'])];
    expect(next['id_token']).toBe(identity['jti']);
    expect(identity['jti']).not.toBe(decode(first.identity)['jti']);
    expect(identity['iat']).toBe((decode(first.identity)['iat'] as number) + 60);
    expect(await status(body['identity_token'])).toBe(200);
  });

  it('puts the current rights into the identity token', async () => {
    const first = await signIn();
    const admin = await t.asAdmin();
    const group = await t.request('POST', '/api/groups', {
      token: admin,
      body: { name: randomUUID(), permissions: ['view_hidden'] },
    });
    await t.request('PUT', `/api/groups/${group.body['id']}/members/${first.user.id}`, { token: admin });
    const { body } = await refresh(first.refresh);
    expect(decode(body['identity_token'])['user']).toMatchObject({ permissions: { view_hidden: true } });
  });

  it('returns the same tokens for the previous refresh token within the grace period of 10 s', async () => {
    const first = await signIn();
    const child = (await refresh(first.refresh)).body;
    t.clock.advance(9_999);
    const again = (await refresh(first.refresh)).body;
    expect([again['identity_token'], again['refresh_token']]).toEqual([
      child['identity_token'],
      child['refresh_token'],
    ]);
    const grandchild = await refresh(again['refresh_token']);
    expect(grandchild.status).toBe(200);
  });

  it('revokes the session when the previous refresh token is used after the grace period', async () => {
    const first = await signIn();
    const child = (await refresh(first.refresh)).body;
    t.clock.advance(10_000);
    const reuse = await refresh(first.refresh);
    expect(reuse.body).toMatchObject({ status: 401, code: 'token_reused', msg: expect.any(String) });
    for (const token of [first.identity, child['identity_token']]) expect(await status(token)).toBe(401);
    expect((await refresh(child['refresh_token'])).body['code']).toBe('invalid_token');
    const events = await eventsOf(first.user.id);
    expect(events[0]).toMatchObject({ action: 'session.refresh_theft', session_id: first.id, succeeded: false });
  });

  it('revokes the session at once when an older refresh token is used', async () => {
    const first = await signIn();
    const child = (await refresh(first.refresh)).body;
    const grandchild = (await refresh(child['refresh_token'])).body;
    expect((await refresh(first.refresh)).body['code']).toBe('token_reused');
    expect(await status(grandchild['identity_token'])).toBe(401);
  });

  it('keeps the other sessions of the user when refresh token reuse revokes one', async () => {
    const first = await signIn();
    const other = await t.signIn(first.user.username, PASSWORD);
    const child = (await refresh(first.refresh)).body;
    await refresh(child['refresh_token']);
    await refresh(first.refresh);
    expect(await status(first.identity)).toBe(401);
    expect(await status(other)).toBe(200);
  });

  it('answers 401 token_expired from the second of expiry on, which moves with each refresh', async () => {
    const first = await signIn();
    t.clock.advance(7 * DAY - 1000);
    const child = await refresh(first.refresh);
    expect(child.status).toBe(200);
    t.clock.advance(7 * DAY);
    expect((await refresh(child.body['refresh_token'])).body).toMatchObject({
      code: 'token_expired',
      msg: 'Token has expired',
    });
  });

  it('issues no token beyond SESSION_MAX_AGE, no matter how often the session is refreshed', async () => {
    const { refresh: first, id } = await signIn();
    const start = t.clock.now();
    let token = first;
    for (let i = 0; i < 5; i++) {
      t.clock.advance(5.9 * DAY);
      const { body } = await refresh(token);
      token = body['refresh_token'];
      for (const kind of ['identity_token', 'refresh_token'] as const) {
        expect(decode(body[kind])['exp']).toBeLessThanOrEqual((start + 30 * DAY) / 1000);
      }
    }
    t.clock.set(start + 30 * DAY - 1000);
    expect((await refresh(token)).status).toBe(200);
    t.clock.set(start + 30 * DAY);
    expect((await refresh(token)).status).toBe(401);
    const [row] = await t.dataSource.query<{ expires_at: Date }[]>('select expires_at from sessions where id = $1', [
      id,
    ]);
    expect(row!.expires_at.getTime()).toBe(start + 30 * DAY);
  });

  it('refuses forged and malformed tokens without revoking the session', async () => {
    const first = await signIn();
    const claims = decode(first.refresh);
    const key = createSecretKey(Buffer.from(t.config.SECRET_KEY));
    const otherKey = createSecretKey(Buffer.from(randomUUID().repeat(2)));
    const invalidTokens: unknown[] = [
      'x',
      first.identity,
      `${first.refresh}x`,
      jwt.sign(claims, otherKey),
      jwt.sign({ ...claims, id_token: undefined }, key),
      jwt.sign({ ...claims, id_token: 'x' }, key),
      jwt.sign({ ...claims, sub: randomUUID() }, key),
      jwt.sign({ ...claims, iss: 'urn:machi:production' }, key),
      jwt.sign({ ...claims, id_token: randomUUID(), exp: 1 }, key),
    ];
    for (const token of invalidTokens) expect((await refresh(token)).status).toBe(401);
    for (const token of [null, 5, {}, ['x'], '']) expect((await refresh(token)).status).toBe(422);
    expect(await status(first.identity)).toBe(200);
    expect((await refresh(first.refresh)).status).toBe(200);
  });

  it('answers 401 invalid_token after the user was deactivated', async () => {
    const first = await signIn();
    await t.request('PATCH', `/api/users/${first.user.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    expect((await refresh(first.refresh)).body['code']).toBe('invalid_token');
  });
});

describe('/api/sessions', () => {
  const agent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';

  it('lists the sessions of the caller, newest first, and revokes one', async () => {
    const user = await t.user();
    const headers = { 'user-agent': agent };
    const { body } = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
      headers,
    });
    const other = await t.user();
    const list = async (token: string) =>
      (await t.request('GET', '/api/sessions', { token })).body as unknown as Record<string, unknown>[];
    const devices = await list(user.token);
    expect(devices).toHaveLength(2);
    expect(devices[0]).toEqual({
      id: body['id'],
      device: 'Firefox on Windows',
      ip: '127.0.0.1',
      created_at: expect.any(String),
      last_used_at: expect.any(String),
      expires_at: expect.any(String),
      is_current: false,
    });
    expect(devices[1]).toMatchObject({ is_current: true });
    const path = `/api/sessions/${body['id']}`;
    expect((await t.request('DELETE', path, { token: other.token })).body['code']).toBe('session_not_found');
    expect((await t.request('DELETE', path, { token: user.token })).status).toBe(204);
    expect((await t.request('DELETE', path, { token: user.token })).body['code']).toBe('session_not_found');
    expect(await status(body['identity_token'])).toBe(401);
    expect(await list(user.token)).toHaveLength(1);
  });

  it('omits expired sessions and deletes them at the next sign-in', async () => {
    const first = await signIn();
    t.clock.advance(8 * DAY);
    const token = await t.signIn(first.user.username, PASSWORD);
    const { body } = await t.request('GET', '/api/sessions', { token });
    expect(body).toHaveLength(1);
    const [row] = await t.dataSource.query<{ count: string }[]>('select count(*) from sessions where user_id = $1', [
      first.user.id,
    ]);
    expect(row!.count).toBe('1');
  });

  it('revokes all sessions, or all but the current one', async () => {
    const first = await signIn();
    const other = await t.signIn(first.user.username, PASSWORD);
    await t.request('DELETE', '/api/sessions?except_current=true', { token: other });
    expect([await status(first.identity), await status(other)]).toEqual([401, 200]);
    expect((await t.request('DELETE', '/api/sessions?except_current=yes', { token: other })).status).toBe(422);
    await t.request('DELETE', '/api/sessions', { token: other });
    expect(await status(other)).toBe(401);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('returns the current session with the expiry of both tokens and the user of the token', async () => {
    const first = await signIn();
    const { body } = await t.request('GET', '/api/sessions/current', { token: first.identity });
    const claims = decode(first.identity);
    expect(body).toMatchObject({
      id: first.id,
      is_current: true,
      identity_expires_at: new Date((claims['exp'] as number) * 1000).toISOString(),
      refresh_expires_at: new Date((decode(first.refresh)['exp'] as number) * 1000).toISOString(),
      user: claims['user'],
    });
  });
});

describe('DELETE /api/sessions/current', () => {
  const signOut = (options: object) => t.request('DELETE', '/api/sessions/current', options);

  it('answers 204 when repeated', async () => {
    const first = await signIn();
    for (let i = 0; i < 3; i++) expect((await signOut({ token: first.identity })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('accepts an expired identity token', async () => {
    const first = await signIn();
    t.clock.advance(16 * MINUTE);
    expect(await status(first.identity)).toBe(401);
    expect((await signOut({ token: first.identity })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('accepts the refresh token in the body instead of an identity token', async () => {
    const first = await signIn();
    t.clock.advance(16 * MINUTE);
    expect((await signOut({ body: { refresh_token: first.refresh } })).status).toBe(204);
    expect((await refresh(first.refresh)).status).toBe(401);
  });

  it('refuses missing, foreign and malformed tokens', async () => {
    expect((await signOut({})).body['code']).toBe('token_required');
    expect((await signOut({ token: 'a.b.c' })).body['code']).toBe('invalid_token');
    expect((await signOut({ body: { refresh_token: 'x' } })).body['code']).toBe('invalid_token');
    expect((await signOut({ body: { refresh_token: 5 } })).status).toBe(422);
  });
});

describe('PUT /api/users/me/password', () => {
  const next = 'silent meadow ninety';
  const change = (token: string, body: object) => t.request('PUT', '/api/users/me/password', { token, body });

  it('changes the password and revokes all sessions, the current one included', async () => {
    const first = await signIn();
    const other = await t.signIn(first.user.username, PASSWORD);
    expect((await change(other, { current_password: PASSWORD, new_password: next })).status).toBe(204);
    expect([await status(first.identity), await status(other)]).toEqual([401, 401]);
    expect((await refresh(first.refresh)).status).toBe(401);
    await t.signIn(first.user.username, next);
    const old = await t.request('POST', '/api/sessions', { body: { login: first.user.username, password: PASSWORD } });
    expect(old.status).toBe(401);
    expect((await eventsOf(first.user.id)).map(({ action }) => action)).toContain('user.password_changed');
  });

  it.each([
    [{ current_password: 'wrong', new_password: next }, 403, 'wrong_password'],
    [{ current_password: PASSWORD, new_password: 'password1' }, 422, 'password_refused'],
    [{ current_password: PASSWORD, new_password: 'x'.repeat(73) }, 422, 'password_refused'],
    [{ new_password: next }, 422, 'validation_failed'],
    [{ current_password: PASSWORD }, 422, 'validation_failed'],
    [{ current_password: PASSWORD, new_password: next, user_id: 1 }, 422, 'validation_failed'],
  ])('refuses %j', async (body, code, problem) => {
    const first = await signIn();
    expect((await change(first.identity, body)).body).toMatchObject({ status: code, code: problem });
    expect(await status(first.identity)).toBe(200);
  });
});

describe('concurrent requests', () => {
  it('return the same next tokens for 30 concurrent refreshes', async () => {
    const first = await signIn();
    const answers = await Promise.all(Array.from({ length: 30 }, () => refresh(first.refresh)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(new Set(answers.map(({ body }) => body['refresh_token'])).size).toBe(1);
    expect((await refresh(answers[0]!.body['refresh_token'])).status).toBe(200);
  });

  const OTHER = 'silent meadow ninety';
  const ROUNDS = rounds(30, 200);
  type Session = Awaited<ReturnType<typeof signIn>>;
  const revocations: Record<string, (session: Session, from: string, to: string) => Promise<unknown>> = {
    'signing out': ({ identity }) => t.request('DELETE', '/api/sessions/current', { token: identity }),
    'a password change': ({ identity }, current_password, new_password) =>
      t.request('PUT', '/api/users/me/password', { token: identity, body: { current_password, new_password } }),
  };

  it.each(Object.keys(revocations))(
    `a refresh and %s at once leave no valid token, ${ROUNDS} times`,
    async (name) => {
      const user = await t.user();
      const changes = name === 'a password change';
      for (let round = 0; round < ROUNDS; round++) {
        const [from, to] = round % 2 && changes ? [OTHER, PASSWORD] : [PASSWORD, OTHER];
        const first = await signIn(user, from);
        const [answer] = await Promise.all([refresh(first.refresh), revocations[name]!(first, from, to)]);
        const tokens = [first.identity, answer.body['identity_token'] as string | undefined].filter(
          (token) => token !== undefined,
        );
        for (const token of tokens) expect([round, await status(token)]).toEqual([round, 401]);
        const again = answer.body['refresh_token'] ?? first.refresh;
        expect([round, (await refresh(again)).status]).toEqual([round, 401]);
      }
    },
    120_000,
  );
});
