import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SessionRevocationsService } from '../../../src/auth/sessions/session-revocations.service.js';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { startProxy } from '../../support/servers/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let active: string[];
let revoked: string[];
beforeAll(async () => {
  t = await startApp({ route: async (connection) => (proxy = await startProxy(connection)).connection });
  const listener = { sessions: () => active, onRevoked: (id: string) => void revoked.push(id) };
  t.app.get(SessionRevocationsService).addListener(listener);
});
beforeEach(() => {
  active = [];
  revoked = [];
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

const sessionOf = async (token: string) => (await t.request('GET', '/api/sessions/current', { token })).body['id'];

it.each<[string, (user: { id: string; token: string }) => Promise<unknown>]>([
  ['signing out', ({ token }) => t.request('DELETE', '/api/sessions/current', { token })],
  ['signing out of all sessions', ({ token }) => t.request('DELETE', '/api/sessions', { token })],
  [
    'a password change',
    ({ token }) =>
      t.request('PUT', '/api/users/me/password', {
        token,
        body: { current_password: PASSWORD, new_password: 'quiet window eleven' },
      }),
  ],
  [
    'an e-mail address change',
    ({ token }) => t.request('PATCH', '/api/users/me', { token, body: { email: null, current_password: PASSWORD } }),
  ],
  [
    'a deactivation',
    async ({ id }) => t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: false } }),
  ],
  ['a deletion of the user', async ({ id }) => t.request('DELETE', `/api/users/${id}`, { token: await t.asAdmin() })],
  ['a deletion of the row', ({ id }) => t.dataSource.query('delete from sessions where user_id = $1', [id])],
])('SessionRevocationsService notifies listeners of the revoked session after %s', async (_, revoke) => {
  const user = await t.user();
  const id = await sessionOf(user.token);
  await revoke(user);
  await expect.poll(() => revoked).toEqual([id]);
});

it.each(['cut', 'freeze'] as const)(
  'SessionRevocationsService finds a session that was revoked during a connection fault (%s) after reconnecting',
  async (fault) => {
    const [user, other] = [await t.user(), await t.user()];
    active = [await sessionOf(user.token), await sessionOf(other.token)];
    proxy[fault]();
    const direct = new pg.Client(t.connection);
    await direct.connect();
    await direct.query('delete from sessions where id = $1', [active[0]]);
    await direct.end();
    expect(revoked).toEqual([]);
    proxy.restore();
    await expect.poll(() => revoked).toEqual([active[0]]);
    await t.request('DELETE', '/api/sessions/current', { token: other.token });
    await expect.poll(() => revoked).toEqual(active);
  },
);
