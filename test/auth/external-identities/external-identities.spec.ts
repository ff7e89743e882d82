import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { oidcClient, oidcEnv } from '../../support/clients/oidc-client.js';
import { startProvider } from '../../support/servers/oidc-issuer.js';

let provider: Awaited<ReturnType<typeof startProvider>>;
let t: TestApp;
beforeAll(async () => {
  provider = await startProvider();
  t = await startApp({ env: oidcEnv(provider) });
});
beforeEach(() => t.clock.set(Date.now())); // the identity provider uses the system clock
afterAll(async () => {
  await t.stop();
  await provider.stop();
});

const { exchange, eventsOf, tokenOf, newcomer } = oidcClient(
  () => t,
  () => provider,
);

describe('/api/users/me/identities', () => {
  const path = '/api/users/me/identities';
  const link = (token: string, external: string) =>
    t.request('POST', path, {
      token,
      body: { token: external, provider: provider.issuer, current_password: PASSWORD },
    });
  const list = async (token: string) =>
    (await t.request('GET', path, { token })).body as unknown as { id: string; subject: string }[];

  it('links an identity with which the caller can then sign in', async () => {
    const user = await t.user();
    const subject = randomUUID();
    const { status, body } = await link(user.token, await tokenOf(subject));
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      provider: provider.issuer,
      subject,
      created_at: expect.any(String),
      last_used_at: expect.any(String),
    });
    expect(await list(user.token)).toEqual([body]);
    expect((await exchange(await tokenOf(subject))).body['user']['id']).toBe(user.id);
    const linked = (await eventsOf(user.id)).find(({ action }) => action === 'identity.linked');
    expect(linked).toMatchObject({ details: { issuer: provider.issuer, is_new_user: false, identity_id: body['id'] } });
    expect(linked!.session_id).not.toBeNull();
    expect((await link(user.token, await tokenOf(subject))).body['id']).toBe(body['id']); // again is fine
    expect(await list(user.token)).toHaveLength(1);
  });

  it('refuses an identity of another user', async () => {
    const { subject, id } = await newcomer();
    const user = await t.user();
    expect((await link(user.token, await tokenOf(subject))).body).toMatchObject({
      status: 409,
      code: 'identity_taken',
    });
    expect((await exchange(await tokenOf(subject))).body['user']['id']).toBe(id);
    expect(await list(user.token)).toEqual([]);
  });

  it('answers 422, not 401, for an invalid token of the provider', async () => {
    const user = await t.user();
    expect((await link(user.token, 'a.b.c')).body).toMatchObject({ status: 422, code: 'identity_token_refused' });
    const token = await tokenOf(randomUUID());
    t.clock.advance(3_700_000);
    expect((await link(await t.signIn(user.username, PASSWORD), token)).body['code']).toBe('identity_token_refused');
  });

  it('unlinks an identity, which then belongs to a new user', async () => {
    const user = await t.user();
    const subject = randomUUID();
    const { body } = await link(user.token, await tokenOf(subject));
    const other = await t.user();
    const current_password = PASSWORD;
    const remove = (token: string) =>
      t.request('DELETE', `${path}/${body['id']}`, { token, body: { current_password } });
    expect((await remove(other.token)).body).toMatchObject({ status: 404, code: 'identity_not_found' });
    expect((await remove(user.token)).status).toBe(204);
    expect((await remove(user.token)).body['code']).toBe('identity_not_found');
    expect((await t.request('DELETE', `${path}/x`, { token: user.token })).body['code']).toBe('invalid_id');
    expect(await list(user.token)).toEqual([]);
    expect((await exchange(await tokenOf(subject))).body['user']['id']).not.toBe(user.id);
    expect((await eventsOf(user.id)).map(({ action }) => action)).toContain('identity.unlinked');
  });

  it('keeps the last sign-in method, not counting identities of issuers that are no longer configured', async () => {
    const { id, token } = await newcomer();
    const [own] = await list(token);
    const remove = () => t.request('DELETE', `${path}/${own!.id}`, { token });
    expect((await remove()).body).toMatchObject({ status: 409, code: 'last_way_to_sign_in' });
    const insert = 'insert into external_identities values ($1, $2, $3, $4, now(), now())';
    await t.dataSource.query(insert, [randomUUID(), id, 'https://gone.example', 'x']);
    expect((await remove()).body['code']).toBe('last_way_to_sign_in');
    await link(token, await tokenOf(randomUUID()));
    expect((await remove()).status).toBe(204);
  });
});
