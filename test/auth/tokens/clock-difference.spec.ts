import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { connect, dial } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
});
afterAll(() => t.stop());

const NOW = Math.floor(Date.now() / 1000) * 1000;

async function signIn() {
  t.clock.set(NOW);
  const { username } = await t.user();
  const { body } = await t.request('POST', '/api/sessions', { body: { login: username, password: PASSWORD } });
  const headers = { authorization: 'Bearer player' };
  const compat = await t.request('GET', '/api/users/login', { headers });
  return { identity: body.identity_token, refresh: body.refresh_token, compat: compat.body.refresh_token! };
}

it.each([2, 60])('tokens are accepted by a node whose clock is %i s behind', async (seconds) => {
  const { identity, refresh, compat } = await signIn();
  t.clock.set(NOW - seconds * 1000);
  expect((await t.request('GET', '/api/users/me', { token: identity })).status).toBe(200);
  const cookie = { cookie: `login-token=${identity}` };
  expect((await t.request('GET', '/api/auth/verify', { headers: cookie })).status).toBe(200);
  expect((await t.request('GET', '/api/sessions/current', { token: identity })).status).toBe(200);
  await (await connect(t, { token: identity })).close();
  const renewed = await t.request('GET', '/api/users/login', { headers: { authorization: `Bearer ${compat}` } });
  expect(renewed.status).toBe(200);
  const { status } = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: refresh } });
  expect(status).toBe(200);
});

it('tokens are refused by a node whose clock is 61 s behind', async () => {
  const { identity, refresh, compat } = await signIn();
  t.clock.set(NOW - 61_000);
  expect((await t.request('GET', '/api/users/me', { token: identity })).body.code).toBe('invalid_token');
  expect(await dial(t, { token: identity }).end()).toEqual([4401, 'invalid login-token']);
  const renewed = await t.request('GET', '/api/users/login', { headers: { authorization: `Bearer ${compat}` } });
  expect(renewed.body.code).toBe('invalid_token');
  const { body } = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token: refresh } });
  expect(body.code).toBe('invalid_token');
});
