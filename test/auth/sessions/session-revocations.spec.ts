import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SessionRevocationsService } from '../../../src/auth/sessions/session-revocations.service.js';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { startProxy } from '../../support/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let held: string[];
let ended: string[];
beforeAll(async () => {
  t = await startApp({ route: async (connection) => (proxy = await startProxy(connection)).connection });
  const holder = { sessions: () => held, ended: (id: string) => void ended.push(id) };
  t.app.get(SessionRevocationsService).watch(holder);
});
beforeEach(() => {
  held = [];
  ended = [];
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

const sessionOf = async (token: string) =>
  (await t.request('GET', '/api/sessions/current', { token })).body['id'] as string;

it.each<[string, (user: { id: string; token: string }) => Promise<unknown>]>([
  ['signing out', ({ token }) => t.request('DELETE', '/api/sessions/current', { token })],
  ['signing out everywhere', ({ token }) => t.request('DELETE', '/api/sessions', { token })],
  ['another password', ({ token }) => t.request('PUT', '/api/users/me/password', { token, body: { current_password: PASSWORD, new_password: 'a word nobody guesses' } })], // prettier-ignore
  ['another e-mail address', ({ token }) => t.request('PATCH', '/api/users/me', { token, body: { email: 'elsewhere@example.org', current_password: PASSWORD } })], // prettier-ignore
  ['deactivation', async ({ id }) => t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: false } })], // prettier-ignore
  ['deletion', async ({ id }) => t.request('DELETE', `/api/users/${id}`, { token: await t.asAdmin() })],
  ['whoever deletes the row', ({ id }) => t.dataSource.query('delete from sessions where user_id = $1', [id])],
])('%s is told to those who serve the session', async (_, end) => {
  const user = await t.user();
  const id = await sessionOf(user.token);
  await end(user);
  await expect.poll(() => ended).toEqual([id]);
});

it.each(['cut', 'freeze'] as const)('what ended with the connection %s is told when it is back', async (fault) => {
  const [user, other] = [await t.user(), await t.user()];
  held = [await sessionOf(user.token), await sessionOf(other.token)];
  proxy[fault]();
  const direct = new pg.Client(t.connection);
  await direct.connect();
  await direct.query('delete from sessions where id = $1', [held[0]]);
  await direct.end();
  expect(ended).toEqual([]);
  proxy.restore();
  await expect.poll(() => ended).toEqual([held[0]]);
  await t.request('DELETE', '/api/sessions/current', { token: other.token });
  await expect.poll(() => ended).toEqual(held);
});
