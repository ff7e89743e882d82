import { createSecretKey, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { openSession, refreshSession, statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000)); // on a whole second, standing still
afterAll(() => t.stop());

const MINUTE = 60_000;
const DAY = 24 * 60 * 60_000;

const decode = (token: string) => jwt.decode(token) as Record<string, unknown>;
const signIn = (of?: SignedInUser, password?: string) => openSession(t, of, password);
const refresh = (refresh_token: unknown) => refreshSession(t, refresh_token);
const status = (token: string) => statusWith(t, token);
const eventsOf = async (subject_id: string) => {
  const { body } = await t.request('GET', `/api/audit?subject_id=${subject_id}`, { token: await t.asAdmin() });
  return body['items'];
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

  it('returns the same tokens for the previous refresh token while the next one is unused', async () => {
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

  it('revokes the session when the previous refresh token is used after the next one', async () => {
    const first = await signIn();
    const child = (await refresh(first.refresh)).body;
    const grandchild = (await refresh(child['refresh_token'])).body;
    const reuse = await refresh(child['refresh_token']);
    expect(reuse.status).toBe(200); // the grandchild is unused
    await refresh(grandchild['refresh_token']);
    const theft = await refresh(child['refresh_token']);
    expect(theft.body).toMatchObject({ status: 401, code: 'token_reused', msg: expect.any(String) });
    for (const token of [first.identity, child['identity_token']]) expect(await status(token)).toBe(401);
    expect((await refresh(grandchild['refresh_token'])).body['code']).toBe('invalid_token');
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
