import { calculateJwkThumbprint, createLocalJWKSet, exportJWK, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import jwt from 'jsonwebtoken';
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';

type Pair = {
  pem: string;
  public: string;
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
};

/** As `openssl genpkey` makes them. */
async function newKey(): Promise<Pair> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    kid: await calculateJwkThumbprint(await exportJWK(publicKey)),
    privateKey,
    publicKey,
  };
}

const SECRET_KEY = randomBytes(32).toString('base64url');
const LIFETIMES = { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d', SECRET_KEY };

let current: Pair;
let former: Pair;
/** Keeps the database, to which all others are starts of the same Machi with other keys. */
let first: TestApp;
const others: TestApp[] = [];
beforeAll(async () => {
  [current, former] = [await newKey(), await newKey()];
  first = await startApp({ env: LIFETIMES });
  first.clock.set(Date.now()); // standing still, so that all starts are at one moment
});
afterEach(async () => {
  for (const t of others.splice(0)) await t.stop();
});
afterAll(() => first.stop());

async function restart(env: Record<string, string>): Promise<TestApp> {
  const t = await startApp({ env: { ...LIFETIMES, ...env }, database: first.connection });
  t.clock.set(first.clock.now());
  others.push(t);
  return t;
}

interface Tokens {
  identity: string;
  refresh: string;
}
async function signIn(t: TestApp): Promise<Tokens> {
  const { username } = await first.user();
  const { body } = await t.request('POST', '/api/sessions', { body: { login: username, password: PASSWORD } });
  return { identity: body['identity_token'], refresh: body['refresh_token'] };
}
const refresh = async (t: TestApp, { refresh: refresh_token }: Tokens) => {
  const { status, body } = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });
  return { status, identity: body['identity_token'], refresh: body['refresh_token'] };
};
const me = (t: TestApp, token: string) => t.request('GET', '/api/users/me', { token });
const status = async (t: TestApp, token: string) => (await me(t, token)).status;
const headerOf = (token: string) => jwt.decode(token, { complete: true })!.header;
const published = async (t: TestApp) =>
  (await t.request('GET', '/.well-known/jwks.json')).body as unknown as JSONWebKeySet;

describe('GET /.well-known/jwks.json', () => {
  it('returns no keys if SECRET_KEY signs', async () => {
    expect(await published(first)).toEqual({ keys: [] });
  });

  it('returns public keys only, which verify the tokens', async () => {
    const t = await restart({ SIGNING_KEY: current.pem, ACCEPTED_SIGNING_KEYS: former.pem });
    const { headers, text, body } = await t.request('GET', '/.well-known/jwks.json');
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(headers.get('content-type')).toContain('application/json');
    const members = { use: 'sig', kty: 'EC', crv: 'P-256', alg: 'ES256', x: expect.any(String), y: expect.any(String) };
    expect(body).toEqual({
      keys: [
        { ...members, kid: current.kid },
        { ...members, kid: former.kid },
      ],
    });
    expect(text).not.toContain('"d"');
    const { identity } = await signIn(t);
    const keys = createLocalJWKSet(body);
    const { payload } = await jwtVerify(identity, keys, { issuer: t.config.issuer });
    expect(payload['user']).toBeDefined();
  });

  it('is not served below /api', async () => {
    expect((await first.request('GET', '/api/.well-known/jwks.json')).status).toBe(404);
  });
});

describe('tokens signed by a key pair', () => {
  it('name algorithm and key in their header, are accepted, and can be refreshed', async () => {
    const t = await restart({ SIGNING_KEY: current.pem });
    const session = await signIn(t);
    const header = { alg: 'ES256', typ: 'JWT', kid: current.kid };
    for (const token of [session.identity, session.refresh]) expect(headerOf(token)).toEqual(header);
    expect(await status(t, session.identity)).toBe(200);
    const next = await refresh(t, session);
    expect(await status(t, next.identity)).toBe(200);
    expect((await t.request('DELETE', '/api/sessions/current', { token: next.identity })).status).toBe(204);
    expect(await status(t, next.identity)).toBe(401);
  });

  it('are refused with token_expired from the second of expiry on', async () => {
    const t = await restart({ SIGNING_KEY: current.pem });
    const { identity } = await signIn(t);
    const { exp } = jwt.decode(identity) as { exp: number };
    t.clock.set(exp * 1000 - 1);
    expect(await status(t, identity)).toBe(200);
    t.clock.advance(1);
    expect((await me(t, identity)).body['code']).toBe('token_expired');
  });

  it('have the same claims when a refresh is repeated within the grace period', async () => {
    const t = await restart({ SIGNING_KEY: current.pem });
    const session = await signIn(t);
    const [child, again] = [await refresh(t, session), await refresh(t, session)];
    expect(jwt.decode(again.identity)).toEqual(jwt.decode(child.identity));
    expect(jwt.decode(again.refresh)).toEqual(jwt.decode(child.refresh));
    expect((await refresh(t, again)).status).toBe(200);
  });
});

describe('a key rotation', () => {
  it('keeps all sessions from SECRET_KEY to a key pair, to another one, and back to SECRET_KEY', async () => {
    const steps: [env: Record<string, string>, kid: string | undefined][] = [
      [{}, undefined],
      [{ SIGNING_KEY: former.pem }, former.kid],
      [{ SIGNING_KEY: current.pem, ACCEPTED_SIGNING_KEYS: former.public }, current.kid],
      [{ ACCEPTED_SIGNING_KEYS: `${former.public}\n${current.public}` }, undefined],
    ];
    let session = await signIn(first);
    for (const [env, kid] of steps) {
      const t = await restart(env);
      expect(await status(t, session.identity)).toBe(200); // signed by the key of the step before
      const next = await refresh(t, session);
      expect([next.status, headerOf(next.identity).kid, headerOf(next.refresh).kid]).toEqual([200, kid, kid]);
      expect(await status(t, next.identity)).toBe(200);
      session = next;
    }
  });

  it('works node by node if the next key is accepted everywhere before it signs', async () => {
    const next = await newKey();
    const older = await restart({ SIGNING_KEY: current.pem, ACCEPTED_SIGNING_KEYS: next.public });
    const newer = await restart({ SIGNING_KEY: next.pem, ACCEPTED_SIGNING_KEYS: current.public });
    const [one, other] = [await signIn(older), await signIn(newer)];
    expect([await status(newer, one.identity), await status(older, other.identity)]).toEqual([200, 200]);
    const kids = async (t: TestApp) => new Set((await published(t)).keys.map(({ kid }) => kid));
    expect(await kids(older)).toEqual(await kids(newer));
  });

  it('refuses tokens of a key that is no longer accepted, without revoking their session', async () => {
    const old = await restart({ SIGNING_KEY: former.pem });
    const session = await signIn(old);
    const t = await restart({ SIGNING_KEY: current.pem });
    expect((await me(t, session.identity)).body).toMatchObject({ status: 401, code: 'invalid_token' });
    expect((await refresh(t, session)).status).toBe(401);
    expect((await refresh(old, session)).status).toBe(200);
  });
});

describe('a forged token', () => {
  it('is refused for any algorithm, key or extension in its header', async () => {
    const t = await restart({ SIGNING_KEY: current.pem, ACCEPTED_SIGNING_KEYS: former.pem });
    const stranger = await newKey();
    const ed25519 = generateKeyPairSync('ed25519').privateKey;
    const { identity } = await signIn(t);
    const claims = jwt.decode(identity) as Record<string, unknown>;
    const secret = createSecretKey(Buffer.from(SECRET_KEY));
    const sign = (header: Record<string, unknown>, key: KeyObject | Uint8Array, body = claims) =>
      new SignJWT(body).setProtectedHeader({ alg: '', typ: 'JWT', ...header }).sign(key);
    const bytes = (text: string) => createSecretKey(Buffer.from(text));
    const raw = createPublicKey(createPrivateKey(current.pem)).export({ format: 'der', type: 'spki' });
    const jwk = { ...(await exportJWK(stranger.publicKey)), kid: stranger.kid };

    for (const good of [
      await sign({ alg: 'ES256', kid: current.kid }, current.privateKey),
      await sign({ alg: 'ES256', kid: former.kid }, former.privateKey),
      await sign({ alg: 'HS256' }, secret),
    ])
      expect(await status(t, good)).toBe(200); // the helper signs valid tokens

    const forgeries: Record<string, string> = {
      'the public PEM as a secret': await sign({ alg: 'HS256', kid: current.kid }, bytes(current.public)),
      'the public PEM as a secret, unnamed': await sign({ alg: 'HS256' }, bytes(current.public)),
      'the public DER as a secret': await sign({ alg: 'HS256', kid: current.kid }, raw),
      'the raw public key as a secret': await sign({ alg: 'HS256' }, raw.subarray(-32)),
      'SECRET_KEY in the name of a pair': await sign({ alg: 'HS256', kid: current.kid }, secret),
      'SECRET_KEY by a name': await sign({ alg: 'HS256', kid: 'SECRET_KEY' }, secret),
      'SECRET_KEY by another hash': await sign({ alg: 'HS512' }, bytes(SECRET_KEY.repeat(2))),
      'another key of ours': await sign({ alg: 'ES256', kid: current.kid }, former.privateKey),
      'another key of ours, the other way round': await sign({ alg: 'ES256', kid: former.kid }, current.privateKey),
      'EdDSA in the name of ES256': await sign({ alg: 'EdDSA', kid: current.kid }, ed25519),
      'no name': await sign({ alg: 'ES256' }, current.privateKey),
      'another key': await sign({ alg: 'ES256', kid: current.kid }, stranger.privateKey),
      'a key with an unknown kid': await sign({ alg: 'ES256', kid: stranger.kid }, stranger.privateKey),
      'a key in its own header': await sign({ alg: 'ES256', kid: stranger.kid, jwk }, stranger.privateKey),
      'a key in its own header, without kid': await sign({ alg: 'ES256', jwk }, stranger.privateKey),
      'a key at another URL': await sign(
        { alg: 'ES256', kid: stranger.kid, jku: `${t.url}/jwks` },
        stranger.privateKey,
      ),
      'a certificate elsewhere': await sign({ alg: 'ES256', kid: current.kid, x5u: `${t.url}/x` }, current.privateKey),
      'a certificate': await sign({ alg: 'ES256', kid: current.kid, x5c: ['MIIB'] }, current.privateKey),
      'a critical extension': `${Buffer.from(JSON.stringify({ alg: 'ES256', kid: current.kid, crit: ['x'], x: 1 })).toString('base64url')}.${identity.split('.').slice(1).join('.')}`,
      'another issuer': await sign({ alg: 'ES256', kid: current.kid }, current.privateKey, {
        ...claims,
        iss: 'urn:machi:production',
      }),
      'no issuer': await sign({ alg: 'ES256', kid: current.kid }, current.privateKey, { ...claims, iss: undefined }),
      'no exp': await sign({ alg: 'ES256', kid: current.kid }, current.privateKey, { ...claims, exp: undefined }),
      none: `${Buffer.from(JSON.stringify({ alg: 'none', kid: current.kid })).toString('base64url')}.${identity.split('.')[1]}.`,
      'a changed body': identity.replace(
        /\.[^.]+\./,
        `.${Buffer.from(JSON.stringify({ ...claims, sub: claims['sid'] })).toString('base64url')}.`,
      ),
      'a cut signature': identity.slice(0, -4),
      'a body that is no object': await sign({ alg: 'ES256', kid: current.kid }, current.privateKey).then((token) =>
        token.replace(/\.[^.]+\./, '.bnVsbA.'),
      ),
    };
    const names = [
      '../../../etc/passwd',
      '/dev/null',
      "' or 1=1 --",
      'http://127.0.0.1/key',
      '__proto__',
      'constructor',
      '',
      'k'.repeat(9000),
      7,
      null,
      { a: 1 },
      [current.kid],
    ];
    for (const kid of names) {
      const text = JSON.stringify(kid).slice(0, 40);
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'JWT', kid })).toString('base64url');
      forgeries[`the name ${text}`] = `${header}.${identity.split('.').slice(1).join('.')}`;
      const hmac = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid })).toString('base64url');
      const input = `${hmac}.${identity.split('.')[1]}`;
      const signature = createHmac('sha256', SECRET_KEY).update(input).digest('base64url');
      forgeries[`SECRET_KEY by the name ${text}`] = `${input}.${signature}`;
    }
    for (const [name, token] of Object.entries(forgeries)) {
      const answer = await me(t, token);
      expect([name, answer.status, answer.body['code'], answer.body['msg']]).toEqual([
        name,
        401,
        'invalid_token',
        'Token has expired',
      ]);
    }
    expect(await status(t, identity)).toBe(200);
  });
});
