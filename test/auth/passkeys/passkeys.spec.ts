import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, PASSWORD, type TestApp, startApp } from '../../support/app.js';
import { PASSKEY_ENV, passkeyClient } from '../../support/clients/passkey-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: PASSKEY_ENV });
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const { path, list, remove, optionsFor, withPasskey, passkeyUser, signIn, withoutPassword, auditOf } = passkeyClient(
  () => t,
);
const expectRefused = ({ status, body }: Answer) => expect([status, body['code']]).toEqual([401, 'invalid_passkey']);

describe("the caller's passkeys", () => {
  it('can be renamed and removed by their owner only', async () => {
    const [user, attacker] = [await passkeyUser(), await t.user()];
    const rename = (token: string, name: string) =>
      t.request('PATCH', `${path}/${user.passkey}`, { token, body: { name } });
    expect((await rename(user.token, 'Old phone')).body).toMatchObject({ id: user.passkey, name: 'Old phone' });
    expect((await rename(attacker.token, 'Mine')).body).toMatchObject({ status: 404, code: 'passkey_not_found' });
    expect((await remove(attacker.token, user.passkey)).body).toMatchObject({ status: 404, code: 'passkey_not_found' });
    expect(await list(attacker.token)).toEqual([]);
    expect(await list(user.token)).toMatchObject([{ name: 'Old phone' }]);

    expect((await remove(user.token, user.passkey)).status).toBe(204);
    expect((await remove(user.token, user.passkey)).status).toBe(404);
    expectRefused(await signIn(user));
    expect(await auditOf(user.id)).toEqual(['passkey.added', 'passkey.removed']);
  });

  it('include one that cannot be removed while there is no password', async () => {
    const user = await passkeyUser();
    const second = await withPasskey(user);
    await withoutPassword(user);
    expect((await remove(user.token, randomUUID())).status).toBe(404);
    expect((await remove(user.token, second.passkey)).status).toBe(204);
    expect((await remove(user.token, user.passkey)).body).toMatchObject({ status: 409, code: 'last_way_to_sign_in' });
    expect((await signIn(user)).status).toBe(201);
  });

  it('are deleted with the user, together with issued challenges', async () => {
    const user = await passkeyUser();
    await optionsFor(user.token);
    await t.request('DELETE', '/api/users/me', { token: user.token, body: { password: PASSWORD } });
    for (const table of ['passkeys', 'passkey_challenges']) {
      expect(await t.dataSource.query(`select from ${table} where user_id = $1`, [user.id])).toEqual([]);
    }
  });
});
