import { exportJWK, type JWK } from 'jose';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { AUDIENCE, startIssuer } from '../../support/servers/oidc-issuer.js';

let issuer: Awaited<ReturnType<typeof startIssuer>>;
let t: TestApp;
beforeAll(async () => {
  issuer = await startIssuer();
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'oidc', OIDC_ISSUER: issuer.issuer, OIDC_AUDIENCE: AUDIENCE } });
});
let start = 0;
beforeEach(() => {
  start += 3_600_000; // past the lifetime of cached keys
  t.clock.set(Math.ceil(Date.now() / 1000) * 1000 + start);
});
afterEach(() => issuer.reset());
afterAll(async () => {
  await t.stop();
  await issuer.stop();
});

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publish = async (keys: { publicKey: KeyObject }[], kid?: string): Promise<void> => {
  const jwks = await Promise.all(
    keys.map(async ({ publicKey }): Promise<JWK> => ({
      ...(await exportJWK(publicKey)),
      kid,
      alg: 'ES256',
      use: 'sig',
    })),
  );
  issuer.routes['/jwks'] = (_, response) => issuer.json(response, { keys: jwks });
};
const exchange = async (key: KeyObject, kid?: string, claims: Record<string, unknown> = {}) => {
  const now = t.clock.seconds();
  const token = await issuer.sign({ iat: now, exp: now + 600, ...claims }, { kid }, key);
  const { status, body } = await t.request('POST', '/api/sessions/exchange', { body: { token } });
  return [status, body['code']];
};

describe.each([
  ['without a key id', undefined],
  ['with one key id', 'shared'],
])('two published keys %s', (_, kid) => {
  it('are both tried for a token', async () => {
    const keys = [newKey(), newKey()];
    await publish(keys, kid);
    for (const { privateKey } of keys) expect(await exchange(privateKey, kid)).toEqual([201, undefined]);
  });

  it('let no token of another key through, and the claims are checked', async () => {
    const keys = [newKey(), newKey()];
    await publish(keys, kid);
    expect(await exchange(newKey().privateKey, kid)).toEqual([401, 'invalid_token']);
    const ended = { exp: t.clock.seconds() - 61 };
    expect(await exchange(keys[1]!.privateKey, kid, ended)).toEqual([401, 'token_expired']);
  });
});

it('at most ten keys are tried', async () => {
  const keys = Array.from({ length: 11 }, newKey);
  await publish(keys);
  expect(await exchange(keys[9]!.privateKey)).toEqual([201, undefined]);
  expect(await exchange(keys[10]!.privateKey)).toEqual([401, 'invalid_token']);
});

it('a key without an id that replaces another one is fetched, at most once a minute', async () => {
  const [old, next] = [newKey(), newKey()];
  await publish([old]);
  expect(await exchange(old.privateKey)).toEqual([201, undefined]);
  await publish([next]);
  t.clock.advance(61_000);
  const before = issuer.count('/jwks');
  expect(await exchange(next.privateKey)).toEqual([201, undefined]);
  for (let i = 0; i < 5; i++) expect(await exchange(old.privateKey)).toEqual([401, 'invalid_token']);
  expect(issuer.count('/jwks')).toBe(before + 1);
});
