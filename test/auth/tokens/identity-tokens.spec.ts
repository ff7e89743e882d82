import { createSecretKey, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
});
afterAll(() => t.stop());

const decode = (token: string) => jwt.decode(token) as Record<string, unknown>;
const signIn = (login: string, password = PASSWORD) =>
  t.request('POST', '/api/sessions', { body: { login, password } });
const me = (token: string) => t.request('GET', '/api/users/me', { token });

describe('an identity token', () => {
  it('is refused with token_expired from the second of expiry on', async () => {
    const user = await t.user();
    const exp = decode(user.token)['exp'] as number;
    t.clock.set(exp * 1000 - 1);
    expect((await me(user.token)).status).toBe(200);
    t.clock.advance(1);
    const expired = await me(user.token);
    expect(expired.body).toMatchObject({ status: 401, code: 'token_expired', msg: 'Token has expired' });
    expect(expired.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  });

  it('expires with its session at SESSION_MAX_AGE', async () => {
    const short = await startApp({ env: { SESSION_MAX_AGE: '1m', IDENTITY_TOKEN_TTL: '15m' } });
    const user = await short.user();
    short.clock.advance(61_000);
    expect((await short.request('GET', '/api/users/me', { token: user.token })).body['code']).toBe('token_expired');
    await short.stop();
  });

  it('is required, and read from the Authorization header only', async () => {
    const user = await t.user();
    const missing = await t.request('GET', '/api/users/me');
    expect(missing.body).toMatchObject({ status: 401, code: 'token_required', msg: 'Missing Authorization Header' });
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    expect((await t.request('GET', `/api/users/me?access_token=${user.token}`)).status).toBe(401);
    for (const authorization of [
      user.token,
      `Basic ${user.token}`,
      'Bearer',
      'Bearer ',
      `Bearer ${user.token} x`,
      `Bearer ${user.token}, Bearer x`,
    ]) {
      const answer = await t.request('GET', '/api/users/me', { headers: { authorization } });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
    }
  });

  it('is accepted in the login-token cookie for GET and HEAD only', async () => {
    const user = await t.user();
    const call = (method: string, path: string, headers: Record<string, string>) =>
      t.request(method, path, { headers, ...(method === 'GET' || method === 'HEAD' ? {} : { body: {} }) });
    const headers = { cookie: `a=b; login-token=${user.token}; c=d` };
    expect((await call('GET', '/api/users/me', headers)).body['id']).toBe(user.id);
    expect((await call('HEAD', '/api/users/me', headers)).status).toBe(200);
    expect((await call('GET', '/api/sessions/current', headers)).status).toBe(200);
    for (const [method, path] of [
      ['PATCH', '/api/users/me'],
      ['DELETE', '/api/users/me'],
      ['DELETE', '/api/sessions'],
      ['DELETE', '/api/sessions/current'],
      ['POST', '/api/groups'],
    ] as const) {
      expect((await call(method, path, headers)).body).toMatchObject({ status: 401, code: 'token_required' });
    }
    const other = await t.user();
    const both = { ...headers, authorization: `Bearer ${other.token}` };
    expect((await call('GET', '/api/users/me', both)).body['id']).toBe(other.id);
    const wrong = { ...headers, authorization: 'Bearer x' };
    expect((await call('GET', '/api/users/me', wrong)).body['code']).toBe('invalid_token');
    for (const cookie of ['login-token=', 'login-token=x', `login-token=${user.token}x`, `Login-Token=${user.token}`]) {
      expect((await call('GET', '/api/users/me', { cookie })).status).toBe(401);
    }
  });

  it('is refused with invalid_token if it is forged, of another kind or incomplete', async () => {
    const user = await t.user();
    const key = createSecretKey(Buffer.from(t.config.SECRET_KEY));
    const otherKey = createSecretKey(Buffer.from(randomUUID().repeat(2)));
    const claims = decode(user.token);
    const without = (name: string) => Object.fromEntries(Object.entries(claims).filter(([claim]) => claim !== name));
    const sign = (body: object, options: jwt.SignOptions = {}, secret = key) =>
      jwt.sign(body, secret, { algorithm: 'HS256', ...options });
    const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${user.token.split('.')[1]}.`;
    const { body: session } = await signIn(user.username);
    expect((await me(user.token)).status).toBe(200);
    expect((await me(sign(claims))).status).toBe(200); // the helper signs valid tokens
    const forgeries: Record<string, string> = {
      'another key': sign(claims, {}, otherKey),
      'another issuer': sign({ ...claims, iss: 'urn:machi:production' }),
      'another algorithm': sign(claims, { algorithm: 'HS384' }),
      'no algorithm': unsigned,
      'a critical extension': sign(claims, { header: { alg: 'HS256', crit: ['x'], x: 1 } as jwt.JwtHeader }),
      'another user': sign({ ...claims, sub: randomUUID() }),
      'no exp': sign(without('exp')),
      'no nbf': sign(without('nbf')),
      'no kind': sign(without('kind')),
      'no session': sign(without('sid')),
      'an exp that is not a number': `${sign(claims).split('.')[0]}.${Buffer.from(JSON.stringify({ ...claims, exp: '9999999999' })).toString('base64url')}.x`,
      'a session id that is not a UUID': sign({ ...claims, sid: "' or true --" }),
      'an unknown session': sign({ ...claims, sid: randomUUID() }),
      'an nbf in the future': sign({ ...claims, nbf: (claims['iat'] as number) + 1e6 }),
      'a refresh token': session['refresh_token'],
      'a changed body': user.token.replace(
        /\.[^.]+\./,
        `.${Buffer.from(JSON.stringify({ ...claims, sub: randomUUID() })).toString('base64url')}.`,
      ),
      'a truncated signature': user.token.slice(0, -2), // of a token that was verified before
      'two dots': '..',
      noise: 'x'.repeat(8000),
    };
    for (const [name, token] of Object.entries(forgeries)) {
      const answer = await me(token);
      expect([name, answer.status, answer.body['code'], typeof answer.body['msg']]).toEqual([
        name,
        401,
        'invalid_token',
        'string',
      ]);
    }
  });
});
