import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { VirtualAuthenticator } from '../support/clients/virtual-authenticator.js';
import { codeAt } from '../support/clients/totp.js';

const ORIGIN = 'https://machi.example';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { PUBLIC_URL: ORIGIN, EXTERNAL_IDENTITY: 'trusted-subject' } });
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const exchange = (token: string) =>
  t.request('POST', '/api/sessions/exchange', { body: { token, provider: 'trusted-subject' } });

/** A user of an identity provider, without a password. */
async function newcomer(subject: string): Promise<{ id: string; token: string }> {
  const { body } = await exchange(subject);
  return { id: body['user'].id, token: body['identity_token'] };
}

async function addPasskey(token: string): Promise<{ authenticator: VirtualAuthenticator; id: string }> {
  const authenticator = new VirtualAuthenticator(ORIGIN);
  const { body: options } = await t.request('POST', '/api/users/me/passkeys/options', { token, body: {} });
  const credential = authenticator.create(options as Parameters<VirtualAuthenticator['create']>[0]);
  const { body } = await t.request('POST', '/api/users/me/passkeys', { token, body: { credential } });
  return { authenticator, id: body['id'] };
}

it('POST /api/sessions/exchange requires a code from users with two-factor authentication', async () => {
  const { id, token } = await newcomer('two.factors');
  const path = '/api/users/me/two-step';
  const { body: begun } = await t.request('POST', path, { token, body: {} });
  const secret = begun['secret'];
  await t.request('POST', `${path}/confirm`, { token, body: { code: codeAt(secret, t.clock.now()) } });

  const challenged = await exchange('two.factors');
  expect(challenged.body).toMatchObject({ status: 401, code: 'two_step_required' });
  t.clock.advance(30_000);
  const body = { challenge: challenged.body['challenge']!, code: codeAt(secret, t.clock.now()) };
  const signedIn = await t.request('POST', '/api/sessions/two-step', { body });
  expect([signedIn.status, signedIn.body['user'].id]).toEqual([201, id]);

  await t.request('PATCH', `/api/users/${id}`, { token: await t.asAdmin(), body: { is_active: false } });
  expect((await exchange('two.factors')).body).toMatchObject({ status: 401, code: 'invalid_token' });
});

it('a passkey or an external identity can be removed while the other exists, and the last one cannot', async () => {
  const { token } = await newcomer('two.methods');
  const { id, authenticator } = await addPasskey(token);
  const other = await addPasskey(token);
  const remove = async (path: string) => {
    const { status, body } = await t.request('DELETE', `/api/users/me/${path}`, { token });
    return [status, body['code']];
  };
  const identities = (await t.request('GET', '/api/users/me/identities', { token })).body as unknown as {
    id: string;
  }[];
  expect(await remove(`passkeys/${other.id}`)).toEqual([204, undefined]);
  expect(await remove(`identities/${identities[0]!.id}`)).toEqual([204, undefined]);
  expect(await remove(`passkeys/${id}`)).toEqual([409, 'last_way_to_sign_in']);

  const { body: options } = await t.request('POST', '/api/sessions/passkey/options');
  const credential = authenticator.get(options as Parameters<VirtualAuthenticator['get']>[0]);
  expect((await t.request('POST', '/api/sessions/passkey', { body: { credential } })).status).toBe(201);

  await t.request('POST', '/api/users/me/identities', {
    token,
    body: { token: 'two.methods', provider: 'trusted-subject' },
  });
  expect(await remove(`passkeys/${id}`)).toEqual([204, undefined]);
  const [left] = (await t.request('GET', '/api/users/me/identities', { token })).body as unknown as { id: string }[];
  expect(await remove(`identities/${left!.id}`)).toEqual([409, 'last_way_to_sign_in']);
});

it('removing a passkey and an external identity at once leaves one of them', async () => {
  await t.warmUp();
  for (let round = 0; round < 20; round++) {
    const { token } = await newcomer(`racer.${round}`);
    const { id } = await addPasskey(token);
    const [identity] = (await t.request('GET', '/api/users/me/identities', { token })).body as unknown as {
      id: string;
    }[];
    const paths = [`passkeys/${id}`, `identities/${identity!.id}`];
    const answers = await Promise.all(paths.map((path) => t.request('DELETE', `/api/users/me/${path}`, { token })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 409]);
  }
});
