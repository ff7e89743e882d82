import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';

/** Two applications on one database: `t` accepts identities of an issuer, `later` starts after it was switched off. */
let t: TestApp;
let later: TestApp | undefined;
beforeAll(async () => {
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await later?.stop();
  later = undefined;
});
afterAll(() => t.stop());

/** Starts `later`. Returns the warnings of its start about administrators. */
async function switchIssuerOff(env: Record<string, string> = {}): Promise<string[]> {
  const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  warn.mockClear();
  later = await startApp({ database: t.connection, env });
  return warn.mock.calls.map(([message]) => String(message)).filter((message) => message.includes('dministrator'));
}

const adminId = async (): Promise<string> =>
  (await t.request('GET', '/api/users/me', { token: await t.asAdmin() })).body['id'];

/** Makes a user of the sign-in service an administrator. */
async function externalAdministrator(subject: string): Promise<string> {
  const signedIn = await t.request('POST', '/api/sessions/exchange', { body: { token: subject } });
  const { id } = signedIn.body['user'];
  const { body: groups } = await t.request('GET', '/api/groups', { token: await t.asAdmin() });
  const [group] = groups['items'];
  await t.request('PUT', `/api/groups/${group!.id}/members/${id}`, { token: await t.asAdmin() });
  return id;
}

it('an administrator whose only issuer is switched off does not count as one who remains', async () => {
  const external = await externalAdministrator('an.administrator');
  const id = await adminId();
  expect(await switchIssuerOff()).toEqual([]); // the first administrator has a password
  const token = await later!.asAdmin();
  const { body: groups } = await later!.request('GET', '/api/groups', { token });
  const { id: groupId } = groups['items'][0]!;
  const attempts = [
    later!.request('PATCH', `/api/users/${id}`, { token, body: { is_active: false } }),
    later!.request('DELETE', `/api/users/${id}`, { token }),
    later!.request('DELETE', `/api/groups/${groupId}/members/${id}`, { token }),
    later!.request('DELETE', `/api/groups/${groupId}`, { token }),
    later!.request('PATCH', `/api/groups/${groupId}`, { token, body: { permissions: [] } }),
  ];
  for (const attempt of attempts) {
    const { status, body } = await attempt;
    expect([status, body['code']]).toEqual([409, 'last_administrator']);
  }
  expect((await later!.request('PATCH', `/api/users/${external}`, { token, body: { is_active: false } })).status).toBe(
    200, // the other one remains
  );
  await later!.request('PATCH', `/api/users/${external}`, { token, body: { is_active: true } });
});

it('an administrator with an identity of a configured issuer counts, and so does one with a passkey', async () => {
  const external = await externalAdministrator('another.administrator');
  await t.stop();
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
  const id = await adminId();
  const remaining = await externalAdministrator('another.administrator');
  expect(remaining).not.toBe(external);
  const token = await t.asAdmin();
  const { status } = await t.request('DELETE', `/api/users/${id}`, { token });
  expect(status).toBe(204);
});

it('the start warns when no administrator can sign in, and users can still be removed', async () => {
  const warnings = await switchIssuerOff(); // the last test has removed the administrator with a password
  expect(warnings).toEqual([expect.stringContaining('No administrator can sign in')]);
  const user = await later!.user();
  const body = { password: user.password };
  expect((await later!.request('DELETE', '/api/users/me', { token: user.token, body })).status).toBe(204);
  await later!.stop();
  later = undefined;
  expect(await switchIssuerOff({ EXTERNAL_IDENTITY: 'trusted-subject' })).toEqual([]);
});

it('a passkey lets an administrator without a password count', async () => {
  const [administrator] = await t.dataSource.query<{ id: string }[]>(
    `select user_id as id from external_identities where subject = 'another.administrator'`,
  );
  const insert = `insert into passkeys (id, user_id, name, credential_id, public_key, counter, is_synced, created_at)
    values (gen_random_uuid(), $1, 'key', 'x', 'x', 0, false, now())`;
  await t.dataSource.query(insert, [administrator!.id]);
  expect(await switchIssuerOff()).toEqual([]);
});
