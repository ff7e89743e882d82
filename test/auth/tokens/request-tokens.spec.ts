import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { connect, dial } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m' } });
});
afterAll(() => t.stop());

const me = (headers: Record<string, string>) => t.request('GET', '/api/users/me', { headers });
const BASIC = `Basic ${Buffer.from('proxy:word').toString('base64')}`;

describe('Authorization with a scheme other than Bearer', () => {
  it.each([BASIC, 'Digest username="x"', 'Negotiate abc', 'Bearerx abc'])(
    '(%s) is ignored beside a valid cookie, by HTTP and by the chat',
    async (authorization) => {
      const { id, token } = await t.user();
      const headers = { authorization, cookie: `login-token=${token}` };
      expect((await me(headers)).body).toMatchObject({ id });
      expect((await t.request('GET', '/api/auth/verify', { headers })).status).toBe(200);
      expect((await t.request('GET', '/api/sessions/current', { headers })).status).toBe(200);
      await (await connect(t, {}, { headers })).close();
    },
  );

  it('alone is answered as a request without a token, by HTTP and by the chat', async () => {
    expect((await me({ authorization: BASIC })).body).toMatchObject({ status: 401, code: 'token_required' });
    const byPost = await t.request('POST', '/api/users/login', { headers: { authorization: BASIC } });
    expect(byPost.body).toMatchObject({ status: 401, code: 'token_required' });
    expect(await dial(t, {}, { headers: { authorization: BASIC } }).end()).toEqual([4401, 'login-token required']);
  });

  it('lets no cookie authenticate a change', async () => {
    const { token } = await t.user();
    const headers = { authorization: BASIC, cookie: `login-token=${token}` };
    const { body } = await t.request('PATCH', '/api/users/me', { headers, body: { fullname: 'X' } });
    expect(body).toMatchObject({ status: 401, code: 'token_required' });
  });
});

it('an invalid Bearer token outranks a valid cookie', async () => {
  const { token } = await t.user();
  for (const authorization of ['Bearer x', 'Bearer', `Bearer ${token} x`]) {
    const headers = { authorization, cookie: `login-token=${token}` };
    expect((await me(headers)).body).toMatchObject({ status: 401, code: 'invalid_token' });
    expect(await dial(t, {}, { headers }).end()).toEqual([4401, 'invalid login-token']);
  }
});

describe('two cookies named login-token', () => {
  const stale: Record<string, () => Promise<string>> = {
    malformed: () => Promise.resolve('abc'),
    empty: () => Promise.resolve(''),
    'of an ended session': async () => {
      const { token } = await t.user();
      await t.request('DELETE', '/api/sessions', { token });
      return token;
    },
    expired: async () => {
      const { token } = await t.user();
      t.clock.advance(16 * 60_000);
      return token;
    },
  };

  it.each(Object.keys(stale))('authenticate with the valid one, before or after one that is %s', async (kind) => {
    const other = await stale[kind]!();
    const { id, token } = await t.user();
    for (const pair of [
      [other, token],
      [token, other],
    ]) {
      const headers = { cookie: pair.map((value) => `login-token=${value}`).join('; ') };
      expect((await me(headers)).body).toMatchObject({ id });
      expect((await t.request('GET', '/api/auth/verify', { headers })).status).toBe(200);
      const { body } = await t.request('GET', '/api/sessions/current', { headers });
      expect(body).toMatchObject({ is_current: true, user: { uid: id } });
      const client = await connect(t, {}, { headers });
      await t.request('DELETE', '/api/sessions', { token: other }); // of no consequence for the connection
      await client.expectNoFrame();
      await client.close();
    }
  });

  it('close the connection when the session of the valid one ends', async () => {
    const { token } = await t.user();
    const ended = await stale['of an ended session']!();
    const client = await connect(t, {}, { headers: { cookie: `login-token=${ended}; login-token=${token}` } });
    await t.request('DELETE', '/api/sessions', { token });
    expect((await client.end())[0]).toBe(4401);
  });

  it('are refused when none of them is valid', async () => {
    const headers = { cookie: 'login-token=abc; login-token=a.b.c' };
    expect((await me(headers)).body).toMatchObject({ status: 401, code: 'invalid_token' });
    expect(await dial(t, {}, { headers }).end()).toEqual([4401, 'invalid login-token']);
  });

  it('prove a known device by either of them', async () => {
    const limited = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
    const { username, password, token } = await limited.user();
    const signIn = (headers: Record<string, string>, word = 'wrong') =>
      limited.request('POST', '/api/sessions', { headers, body: { login: username, password: word } });
    for (let i = 0; i < 6; i++) await signIn({ 'x-forwarded-for': '198.51.100.1' });
    const from = { 'x-forwarded-for': '198.51.100.2' };
    expect((await signIn(from, password)).status).toBe(429);
    expect((await signIn({ ...from, cookie: `login-token=old; login-token=${token}` }, password)).status).toBe(201);
    await limited.stop();
  });
});

it('a request with a thousand cookies named login-token is refused', async () => {
  const cookie = Array.from({ length: 1000 }, (_, i) => `login-token=${i}`).join(';');
  expect((await me({ cookie })).status).toBe(401);
});
