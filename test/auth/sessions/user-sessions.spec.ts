import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const asAdmin = async <Method extends string, Path extends string>(method: Method, path: Path) =>
  t.request(method, path, { token: await t.asAdmin() });
const me = (token: string) => t.request('GET', '/api/users/me', { token });

it('GET /api/users/:id/sessions returns the sessions of a user to administrators and writes an audit event', async () => {
  const user = await t.user();
  const own = (await t.request('GET', '/api/sessions', { token: user.token })).body.items;
  const seen = (await asAdmin('GET', `/api/users/${user.id}/sessions`)).body.items;
  expect(seen).toEqual(own.map((session) => ({ ...session, is_current: false })));
  expect(seen).toHaveLength(1);
  const { body } = await asAdmin('GET', `/api/audit?subject_id=${user.id}&action=user.viewed`);
  expect(body['items']).toHaveLength(1);
  expect((await asAdmin('GET', `/api/users/${randomUUID()}/sessions`)).body['code']).toBe('user_not_found');
});

it('DELETE /api/users/:id/sessions revokes one or all sessions of that user and of no other', async () => {
  const [user, other] = [await t.user(), await t.user()];
  const second = await t.signIn(user.username, user.password);
  const { id } = (await t.request('GET', '/api/sessions/current', { token: second })).body;
  const wrong = await asAdmin('DELETE', `/api/users/${other.id}/sessions/${id}`);
  expect(wrong.body).toMatchObject({ status: 404, code: 'session_not_found' });
  expect((await asAdmin('DELETE', `/api/users/${user.id}/sessions/${id}`)).status).toBe(204);
  expect([(await me(second)).status, (await me(user.token)).status]).toEqual([401, 200]);
  expect((await asAdmin('DELETE', `/api/users/${user.id}/sessions`)).status).toBe(204);
  expect([(await me(user.token)).status, (await me(other.token)).status]).toEqual([401, 200]);
  expect((await asAdmin('DELETE', `/api/users/${user.id}/sessions`)).status).toBe(204);
  const { body } = await asAdmin('GET', `/api/audit?subject_id=${user.id}&action=session.ended`);
  expect(body['items']).toHaveLength(2);
});

it('GET /api/users/:id writes an audit event for administrators and none for the user', async () => {
  const user = await t.user();
  await t.request('GET', `/api/users/${user.id}`, { token: user.token });
  await asAdmin('GET', `/api/users/${user.id}`);
  const { body } = await asAdmin('GET', `/api/audit?subject_id=${user.id}&action=user.viewed`);
  expect(body['items']).toHaveLength(1);
});
