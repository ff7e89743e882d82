import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { openSession, statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: {
      TRUST_PROXY: 'loopback',
      EXTERNAL_IDENTITY: 'trusted-subject',
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '7d',
      SESSION_MAX_AGE: '30d',
    },
  });
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000));
afterAll(() => t.stop());

const OWNER = { 'x-forwarded-for': '203.0.113.7', 'user-agent': 'Firefox/140.0' };
const refresh = (refresh_token: string, headers: Record<string, string> = OWNER) =>
  t.request('POST', '/api/sessions/refresh', { body: { refresh_token }, headers });
const HOUR = 3_600_000;

const CLIENTS: [string, Record<string, string>][] = [
  ['another network', { ...OWNER, 'x-forwarded-for': '203.0.113.8' }],
  ['another browser', { ...OWNER, 'user-agent': 'curl/8.5.0' }],
  ['another network and browser', { 'x-forwarded-for': '2001:db8::1', 'user-agent': 'curl/8.5.0' }],
];

describe('a refresh token that is shown again', () => {
  it.each([1_000, 12_000, HOUR, 6 * 24 * HOUR])(
    'by the client that refreshed, %i ms later, gets the same tokens while the next one is unused',
    async (ms) => {
      const first = await openSession(t);
      const child = (await refresh(first.refresh)).body;
      t.clock.advance(ms);
      for (let i = 0; i < 2; i++) {
        const again = await refresh(first.refresh);
        expect([again.status, again.body.refresh_token]).toEqual([200, child.refresh_token]);
        expect(jwt.decode(again.body.identity_token)).toEqual(jwt.decode(child.identity_token));
      }
      expect((await refresh(child.refresh_token)).status).toBe(200);
    },
  );

  it('by the client that refreshed, from another address of its IPv6 /64, gets the same tokens', async () => {
    const first = await openSession(t);
    const from = (address: string) => ({ ...OWNER, 'x-forwarded-for': address });
    const child = (await refresh(first.refresh, from('2001:db8::1'))).body;
    const again = (await refresh(first.refresh, from('2001:db8::ffff'))).body;
    expect(again.refresh_token).toBe(child.refresh_token);
  });

  it.each(CLIENTS)('by %s revokes the session at once, and is audited', async (_, attacker) => {
    const first = await openSession(t);
    const child = (await refresh(first.refresh)).body;
    expect((await refresh(first.refresh, attacker)).body).toMatchObject({ status: 401, code: 'token_reused' });
    expect(await statusWith(t, child.identity_token)).toBe(401);
    expect((await refresh(child.refresh_token)).body.code).toBe('invalid_token');
    const token = await t.asAdmin();
    const { body } = await t.request('GET', `/api/audit?subject_id=${first.user.id}`, { token });
    expect(body.items[0]).toMatchObject({ action: 'session.refresh_theft', session_id: first.id });
  });

  it.each(CLIENTS)('by its owner after %s refreshed first revokes the session', async (_, attacker) => {
    const first = await openSession(t);
    const stolen = await refresh(first.refresh, attacker);
    expect(stolen.status).toBe(200); // nothing tells the two apart yet
    expect((await refresh(first.refresh)).body.code).toBe('token_reused');
    expect(await statusWith(t, stolen.body.identity_token)).toBe(401);
  });

  it('by the client that refreshed revokes the session once the next one was used', async () => {
    const first = await openSession(t);
    const child = (await refresh(first.refresh)).body;
    await refresh(child.refresh_token);
    expect((await refresh(first.refresh)).body.code).toBe('token_reused');
  });

  it('gives no tokens to an attacker who polls, whenever the owner refreshes', async () => {
    const [, attacker] = CLIENTS[2]!;
    const first = await openSession(t);
    const got: unknown[] = [];
    let owner = first.refresh;
    for (let round = 0; round < 3; round++) {
      const answer = await refresh(owner);
      const polled = await refresh(owner, attacker);
      got.push([answer.status, polled.status]);
      owner = answer.body.refresh_token ?? owner;
    }
    expect(got).toEqual([
      [200, 401],
      [401, 401],
      [401, 401],
    ]);
  });

  it('by 30 requests of the owner and one of an attacker at once leaves one successor or none', async () => {
    const [, attacker] = CLIENTS[1]!;
    const first = await openSession(t);
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 31 }, (_, i) => refresh(first.refresh, i === 15 ? attacker : OWNER)),
    );
    const tokens = new Set(answers.flatMap(({ body }) => body.refresh_token ?? []));
    expect(tokens.size).toBeLessThanOrEqual(1);
    for (const token of tokens) expect((await refresh(token)).status).toBe(401);
  });
});

describe('/api/users/login with a refresh token', () => {
  const login = (bearer: string) =>
    t.request('GET', '/api/users/login', { headers: { ...OWNER, authorization: `Bearer ${bearer}` } });

  it('renews only sessions that it opened, and revokes no other', async () => {
    const own = (await login('player')).body;
    expect((await login(own.refresh_token!)).status).toBe(200);
    const other = await openSession(t);
    const exchanged = await t.request('POST', '/api/sessions/exchange', { body: { token: 'player' } });
    for (const token of [other.refresh, exchanged.body.refresh_token]) {
      expect((await login(token)).body).toMatchObject({ status: 401, code: 'invalid_token' });
      expect((await refresh(token)).status).toBe(200);
    }
  });

  it('makes the token before it worthless', async () => {
    const own = (await login('rotating-player')).body;
    const child = (await refresh(own.refresh_token!)).body;
    expect((await login(child.refresh_token)).status).toBe(200);
    expect((await refresh(own.refresh_token!)).body.code).toBe('token_reused');
  });

  it('answers 429 after 120 renewals of a session in an hour', async () => {
    const limited = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject', RATE_LIMITS: 'on' } });
    limited.clock.set(Date.now());
    const renew = (bearer: string) =>
      limited.request('POST', '/api/users/login', { headers: { authorization: `Bearer ${bearer}` } });
    const { refresh_token } = (await renew('player')).body;
    const statuses = [];
    for (let i = 0; i < 121; i++) statuses.push((await renew(refresh_token!)).status);
    expect(statuses).toEqual([...Array<number>(120).fill(200), 429]);
    expect((await renew((await renew('other')).body.refresh_token!)).status).toBe(200);
    await limited.stop();
  });
});
