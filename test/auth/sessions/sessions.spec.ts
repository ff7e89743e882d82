import { getRounds, hash } from 'bcrypt';
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

describe('POST /api/sessions', () => {
  it('returns both tokens with their expiry, and the user', async () => {
    const user = await t.user('upload_chapters');
    const { status, body } = await signIn(user.username);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      identity_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_at: expect.any(String),
      refresh_expires_at: expect.any(String),
      user: (await me(user.token)).body,
    });
    expect((await me(body['identity_token'])).status).toBe(200);
  });

  it("issues tokens with the claims of the manga site's document", async () => {
    const user = await t.user('upload_chapters');
    const { body } = await signIn(user.username);
    const identity = decode(body['identity_token']);
    const refresh = decode(body['refresh_token']);
    expect(identity).toMatchObject({
      iss: t.config.issuer,
      iat: expect.any(Number),
      nbf: identity['iat'],
      exp: (identity['iat'] as number) + 15 * 60,
      user: {
        uid: user.id,
        username: user.username,
        groups: [`group of ${user.username}`],
        permissions: {
          admin: false,
          early_access: false,
          manage_projects: false,
          upload_chapters: true,
          moderate_avatars: false,
          view_hidden: false,
        },
      },
    });
    expect(refresh).toMatchObject({ iss: t.config.issuer, nbf: refresh['iat'], id_token: identity['jti'] });
    expect(refresh['exp']).toBe((refresh['iat'] as number) + 7 * 24 * 3600);
    expect(body['expires_at']).toBe(new Date((identity['exp'] as number) * 1000).toISOString());
  });

  it('issues tokens that never expire, with an exp in the year 9999, if the lifetimes are never', async () => {
    const env = { IDENTITY_TOKEN_TTL: 'never', REFRESH_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never' };
    const unlimited = await startApp({ env });
    const user = await unlimited.user();
    const { body } = await unlimited.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
    });
    expect(body).toMatchObject({ expires_at: null, refresh_expires_at: null });
    expect(decode(body['identity_token'])['exp']).toBe(253402300799);
    unlimited.clock.advance(100 * 365 * 24 * 3600 * 1000);
    expect((await unlimited.request('GET', '/api/users/me', { token: body['identity_token'] })).status).toBe(200);
    await unlimited.stop();
  });

  it('returns byte-identical responses for unknown users, wrong passwords and deactivated users', async () => {
    const [user, gone] = [await t.user(), await t.user()];
    await t.request('PATCH', `/api/users/${gone.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const attempts = await Promise.all([
      signIn('nobody-here'),
      signIn('nobody@example.org'),
      signIn(user.username, 'wrong'),
      signIn(user.username, 'x'.repeat(100)),
      signIn('nobody-here', 'x'.repeat(100)),
      signIn(`${user.username}@example.org`, 'wrong'),
      signIn(gone.username),
      signIn(gone.username, 'wrong'),
    ]);
    const texts = attempts.map(({ text, headers }) => text.replace(headers.get('x-request-id')!, ''));
    expect(new Set(texts).size).toBe(1);
    expect(attempts[0].body).toMatchObject({ status: 401, code: 'invalid_credentials' });
    const names = attempts.map(({ headers }) => [...headers.keys()].join());
    expect(new Set(names).size).toBe(1);
  });

  it.each([
    {},
    { login: 'x' },
    { password: PASSWORD },
    { login: '', password: 'x' },
    { login: ['a'], password: 'x' },
    { login: { $ne: 1 }, password: 'x' },
    { login: 'a', password: null },
    { login: 'a', password: 'x', remember: true },
    { login: 'a'.repeat(301), password: 'x' },
  ])('refuses %j', async (body) => {
    expect((await t.request('POST', '/api/sessions', { body })).body).toMatchObject({
      status: 422,
      code: 'validation_failed',
    });
  });

  it('opens a session per sign-in, which is revoked on its own', async () => {
    const user = await t.user();
    const other = (await signIn(user.username)).body['identity_token'];
    await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect((await me(user.token)).status).toBe(401);
    expect((await me(other)).status).toBe(200);
  });

  it('stores the user agent and the address of the client', async () => {
    const user = await t.user();
    const headers = { 'user-agent': 'Machi Browser/1.0', 'x-forwarded-for': '203.0.113.9' };
    const { body } = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: PASSWORD },
      headers,
    });
    const [row] = await t.dataSource.query<object[]>('select user_agent, host(ip) as ip from sessions where id = $1', [
      body['id'],
    ]);
    expect(row).toEqual({ user_agent: 'Machi Browser/1.0', ip: '127.0.0.1' });
  });

  it('rehashes the password if the configured cost has risen', async () => {
    const costly = await startApp({ env: { BCRYPT_COST: '6' } });
    const user = await costly.user();
    const stored = async () =>
      (
        await costly.dataSource.query<{ password_hash: string }[]>('select password_hash from users where id = $1', [
          user.id,
        ])
      )[0]!;
    await costly.dataSource.query('update users set password_hash = $2 where id = $1', [
      user.id,
      await hash(PASSWORD, 4),
    ]);
    await costly.signIn(user.username, PASSWORD);
    expect(getRounds((await stored()).password_hash)).toBe(6);
    await costly.signIn(user.username, PASSWORD);
    await costly.stop();
  });
});

describe('DELETE /api/sessions/current', () => {
  it('revokes the session: its token is refused on the next request', async () => {
    const user = await t.user();
    const { status, text } = await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect([status, text]).toEqual([204, '']);
    expect((await me(user.token)).body).toMatchObject({ status: 401, code: 'invalid_token', msg: expect.any(String) });
  });
});

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
      'a truncated signature': user.token.slice(0, -2),
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
