import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: {
      EXTERNAL_IDENTITY: 'trusted-subject',
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '7d',
      SESSION_MAX_AGE: '30d',
    },
  });
});
afterAll(() => t.stop());

const login = (bearer?: string, method = 'GET') =>
  t.request(method, '/api/users/login', { headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` } });
const me = (token: string) => t.request('GET', '/api/users/me', { token });

it('HEAD /users/login answers 404 and signs nobody in', async () => {
  expect((await login('a-new-subject', 'HEAD')).status).toBe(404);
  expect(await t.dataSource.query('select from external_identities where subject = $1', ['a-new-subject'])).toEqual([]);
});

describe.each(['GET', 'POST'])('%s /users/login', (method) => {
  it('signs in the first administrator with the documented identity', async () => {
    const { status, body } = await login('just_admins_identity', method);
    expect([status, body]).toEqual([
      200,
      { access_token: expect.any(String), refresh_token: expect.any(String), status: 'OK' },
    ]);
    expect((await me(body['access_token'])).body).toMatchObject({ username: 'admin', permissions: { admin: true } });
  });

  it('finds or creates a user for any other subject', async () => {
    const ids = [];
    for (const subject of ['player-one', 'player-one', 'player-two']) {
      const { body } = await login(`${subject}-${method}`, method);
      ids.push((await me(body['access_token'])).body['id']);
    }
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });

  it('returns a new access token, and no refresh token, for each use of a refresh token', async () => {
    const { body } = await login('again', method);
    const seen = new Set([body['access_token']]);
    for (let day = 0; day < 5; day++) {
      t.clock.advance(24 * 3600 * 1000);
      expect((await me(body['access_token'])).body['msg']).toBe('Token has expired');
      const renewed = await login(body['refresh_token'], method);
      expect([renewed.status, renewed.body]).toEqual([200, { access_token: expect.any(String), status: 'OK' }]);
      expect((await me(renewed.body['access_token'])).status).toBe(200);
      seen.add(renewed.body['access_token']);
    }
    expect(seen.size).toBe(6);
  });

  it('distinguishes expired from invalid tokens by code', async () => {
    const { body } = await login('late', method);
    const end = (jwt.decode(body['refresh_token']) as { exp: number }).exp * 1000;
    t.clock.set(end - 1);
    expect((await login(body['refresh_token'], method)).status).toBe(200);
    t.clock.advance(1);
    expect((await login(body['refresh_token'], method)).body).toMatchObject({
      status: 401,
      code: 'token_expired',
      msg: 'Token has expired',
    });
    const invalid = { status: 401, code: 'invalid_token', msg: 'Token has expired' };
    expect((await login(body['access_token'], method)).body).toMatchObject(invalid);
    expect((await login(undefined, method)).body).toMatchObject({ status: 401, msg: 'Missing Authorization Header' });
  });

  it('refuses a refresh token of an ended session', async () => {
    const { body } = await login('leaver', method);
    await t.request('DELETE', '/api/sessions/current', { token: body['access_token'] });
    expect((await login(body['refresh_token'], method)).body).toMatchObject({
      status: 401,
      code: 'invalid_token',
      msg: 'Token has expired',
    });
  });

  it('ends the session when a rotated refresh token is used', async () => {
    const { body } = await login('rotator', method);
    const next = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: body['refresh_token'] } });
    t.clock.advance(10_000);
    expect((await login(body['refresh_token'], method)).body).toMatchObject({
      status: 401,
      code: 'token_reused',
      msg: 'Token has expired',
    });
    expect((await me(next.body['identity_token'])).status).toBe(401);
  });
});

describe('GET /users/profile', () => {
  it('returns the caller, as GET /users/me does', async () => {
    const { body } = await login('profile-reader');
    const token = body['access_token'];
    const profile = await t.request('GET', '/api/users/profile', { token });
    expect([profile.status, profile.body]).toEqual([200, (await me(token)).body]);
    expect((await t.request('GET', '/api/users/profile')).body).toMatchObject({
      status: 401,
      msg: 'Missing Authorization Header',
    });
  });

  it('is not the route of a user whose id is a word: words are never looked up as ids', async () => {
    const token = await t.asAdmin();
    for (const word of ['profile', 'login', 'me', 'self', 'current', 'ME', 'undefined', 'null', '1', '%20']) {
      for (const [method, rest] of [
        ['PATCH', ''],
        ['DELETE', '/lock'],
        ['GET', '/sessions'],
        ['DELETE', '/sessions'],
        ['DELETE', '/two-factor'],
        ['POST', '/password-reset'],
      ] as const) {
        if (word.toLowerCase() === 'me' && (rest === '' || rest === '/two-factor')) continue; // routes of the caller
        const { status, body: problem } = await t.request(method, `/api/users/${word}${rest}`, {
          token,
          body: undefined,
        });
        expect([method, word, rest, status, problem['code']]).toEqual([method, word, rest, 400, 'invalid_id']);
      }
    }
  });
});

it('GET /api/users/login answers 401 with EXTERNAL_IDENTITY=off', async () => {
  const plain = await startApp();
  const answer = await plain.request('GET', '/api/users/login', { headers: { authorization: 'Bearer anybody' } });
  expect(answer.body).toMatchObject({ status: 401, msg: expect.any(String) });
  await plain.stop();
});
