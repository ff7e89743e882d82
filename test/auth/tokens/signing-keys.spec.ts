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
  alg: 'EdDSA' | 'ES256';
  privateKey: KeyObject;
  publicKey: KeyObject;
};

/** As `openssl genpkey` makes them. */
async function newKey(alg: 'EdDSA' | 'ES256'): Promise<Pair> {
  const { privateKey, publicKey } =
    alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    alg,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    kid: await calculateJwkThumbprint(await exportJWK(publicKey)),
    privateKey,
    publicKey,
  };
}

const SECRET_KEY = randomBytes(32).toString('base64url');
const LIFETIMES = { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d', SECRET_KEY };

let eddsa: Pair;
let es256: Pair;
/** Keeps the database, to which all others are starts of the same Machi with other keys. */
let first: TestApp;
const others: TestApp[] = [];
beforeAll(async () => {
  [eddsa, es256] = [await newKey('EdDSA'), await newKey('ES256')];
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

interface Pass {
  identity: string;
  refresh: string;
}
async function signIn(t: TestApp): Promise<Pass> {
  const { username } = await first.user();
  const { body } = await t.request('POST', '/api/sessions', { body: { login: username, password: PASSWORD } });
  return { identity: body['identity_token'], refresh: body['refresh_token'] };
}
const refresh = async (t: TestApp, { refresh: refresh_token }: Pass) => {
  const { status, body } = await t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });
  return { status, identity: body['identity_token'], refresh: body['refresh_token'] };
};
const me = (t: TestApp, token: string) => t.request('GET', '/api/users/me', { token });
const status = async (t: TestApp, token: string) => (await me(t, token)).status;
const headerOf = (token: string) => jwt.decode(token, { complete: true })!.header;
const published = async (t: TestApp) =>
  (await t.request('GET', '/.well-known/jwks.json')).body as unknown as JSONWebKeySet;

describe('GET /.well-known/jwks.json', () => {
  it('is empty where SECRET_KEY signs', async () => {
    expect(await published(first)).toEqual({ keys: [] });
  });

  it('shows public parts only, with which anybody can check tokens', async () => {
    const t = await restart({ SIGNING_KEY: eddsa.pem, ACCEPTED_SIGNING_KEYS: es256.pem });
    const { headers, text, body } = await t.request('GET', '/.well-known/jwks.json');
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(headers.get('content-type')).toContain('application/json');
    const members = { use: 'sig', x: expect.any(String) };
    expect(body).toEqual({
      keys: [
        { ...members, kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', kid: eddsa.kid },
        { ...members, kty: 'EC', crv: 'P-256', alg: 'ES256', kid: es256.kid, y: expect.any(String) },
      ],
    });
    expect(text).not.toContain('"d"');
    const { identity } = await signIn(t);
    const keys = createLocalJWKSet(body);
    const { payload } = await jwtVerify(identity, keys, { issuer: t.config.issuer });
    expect(payload['user']).toBeDefined();
  });

  it('is there, and not below /api', async () => {
    expect((await first.request('GET', '/api/.well-known/jwks.json')).status).toBe(404);
  });
});

describe.each(['EdDSA', 'ES256'] as const)('tokens signed by %s', (alg) => {
  it('say so in their header, work, and are refreshed', async () => {
    const key = alg === 'EdDSA' ? eddsa : es256;
    const t = await restart({ SIGNING_KEY: key.pem });
    const session = await signIn(t);
    for (const token of [session.identity, session.refresh]) expect(headerOf(token)).toEqual({ alg, typ: 'JWT', kid: key.kid }); // prettier-ignore
    expect(await status(t, session.identity)).toBe(200);
    const next = await refresh(t, session);
    expect(await status(t, next.identity)).toBe(200);
    expect((await t.request('DELETE', '/api/sessions/current', { token: next.identity })).status).toBe(204);
    expect(await status(t, next.identity)).toBe(401);
  });

  it('expire at their exact second', async () => {
    const t = await restart({ SIGNING_KEY: (alg === 'EdDSA' ? eddsa : es256).pem });
    const { identity } = await signIn(t);
    const { exp } = jwt.decode(identity) as { exp: number };
    t.clock.set(exp * 1000 - 1);
    expect(await status(t, identity)).toBe(200);
    t.clock.advance(1);
    expect((await me(t, identity)).body['code']).toBe('token_expired');
  });

  it('are given again when the answer was lost: the same child', async () => {
    const t = await restart({ SIGNING_KEY: (alg === 'EdDSA' ? eddsa : es256).pem });
    const session = await signIn(t);
    const [child, again] = [await refresh(t, session), await refresh(t, session)];
    expect(jwt.decode(again.identity)).toEqual(jwt.decode(child.identity));
    expect(jwt.decode(again.refresh)).toEqual(jwt.decode(child.refresh));
    if (alg === 'EdDSA') expect(again).toEqual(child); // ES256 never signs alike twice
    expect((await refresh(t, again)).status).toBe(200);
  });
});

describe('a rotation', () => {
  it('from SECRET_KEY to a key pair, to another, and back to SECRET_KEY signs nobody out', async () => {
    const steps: [env: Record<string, string>, kid: string | undefined][] = [
      [{}, undefined],
      [{ SIGNING_KEY: es256.pem }, es256.kid],
      [{ SIGNING_KEY: eddsa.pem, ACCEPTED_SIGNING_KEYS: es256.public }, eddsa.kid],
      [{ ACCEPTED_SIGNING_KEYS: `${es256.public}\n${eddsa.public}` }, undefined],
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

  it('of nodes one after the other works when the next key is accepted before it signs', async () => {
    const next = await newKey('EdDSA');
    const older = await restart({ SIGNING_KEY: eddsa.pem, ACCEPTED_SIGNING_KEYS: next.public });
    const newer = await restart({ SIGNING_KEY: next.pem, ACCEPTED_SIGNING_KEYS: eddsa.public });
    const [one, other] = [await signIn(older), await signIn(newer)];
    expect([await status(newer, one.identity), await status(older, other.identity)]).toEqual([200, 200]);
    const kids = async (t: TestApp) => new Set((await published(t)).keys.map(({ kid }) => kid));
    expect(await kids(older)).toEqual(await kids(newer));
  });

  it('ends where the old key is taken away: its tokens are refused, and end nothing', async () => {
    const old = await restart({ SIGNING_KEY: es256.pem });
    const session = await signIn(old);
    const t = await restart({ SIGNING_KEY: eddsa.pem });
    expect((await me(t, session.identity)).body).toMatchObject({ status: 401, code: 'invalid_token' });
    expect((await refresh(t, session)).status).toBe(401);
    expect((await refresh(old, session)).status).toBe(200);
  });
});

describe('a key verifies by its own algorithm only', () => {
  it('whatever the header says', async () => {
    const t = await restart({ SIGNING_KEY: eddsa.pem, ACCEPTED_SIGNING_KEYS: es256.pem });
    const stranger = await newKey('EdDSA');
    const { identity } = await signIn(t);
    const claims = jwt.decode(identity) as Record<string, unknown>;
    const secret = createSecretKey(Buffer.from(SECRET_KEY));
    const sign = (header: Record<string, unknown>, key: KeyObject | Uint8Array, body = claims) =>
      new SignJWT(body).setProtectedHeader({ alg: '', typ: 'JWT', ...header }).sign(key);
    const bytes = (text: string) => createSecretKey(Buffer.from(text));
    const raw = createPublicKey(createPrivateKey(eddsa.pem)).export({ format: 'der', type: 'spki' });
    const jwk = { ...(await exportJWK(stranger.publicKey)), kid: stranger.kid };

    for (const good of [
      await sign({ alg: 'EdDSA', kid: eddsa.kid }, eddsa.privateKey),
      await sign({ alg: 'ES256', kid: es256.kid }, es256.privateKey),
      await sign({ alg: 'HS256' }, secret),
    ])
      expect(await status(t, good)).toBe(200); // the forgery kit itself works

    const forgeries: Record<string, string> = {
      'the public PEM as a secret': await sign({ alg: 'HS256', kid: eddsa.kid }, bytes(eddsa.public)),
      'the public PEM as a secret, unnamed': await sign({ alg: 'HS256' }, bytes(eddsa.public)),
      'the public DER as a secret': await sign({ alg: 'HS256', kid: eddsa.kid }, raw),
      'the raw public key as a secret': await sign({ alg: 'HS256' }, raw.subarray(-32)),
      'SECRET_KEY in the name of a pair': await sign({ alg: 'HS256', kid: eddsa.kid }, secret),
      'SECRET_KEY by a name': await sign({ alg: 'HS256', kid: 'SECRET_KEY' }, secret),
      'SECRET_KEY by another hash': await sign({ alg: 'HS512' }, bytes(SECRET_KEY.repeat(2))),
      'ES256 in the name of EdDSA': await sign({ alg: 'ES256', kid: eddsa.kid }, es256.privateKey),
      'EdDSA in the name of ES256': await sign({ alg: 'EdDSA', kid: es256.kid }, eddsa.privateKey),
      'Ed25519, another name of the algorithm': await sign({ alg: 'Ed25519', kid: eddsa.kid }, eddsa.privateKey),
      'no name': await sign({ alg: 'EdDSA' }, eddsa.privateKey),
      'another key': await sign({ alg: 'EdDSA', kid: eddsa.kid }, stranger.privateKey),
      'a key of no name of ours': await sign({ alg: 'EdDSA', kid: stranger.kid }, stranger.privateKey),
      'a key that it brings': await sign({ alg: 'EdDSA', kid: stranger.kid, jwk }, stranger.privateKey),
      'a key that it brings, unnamed': await sign({ alg: 'EdDSA', jwk }, stranger.privateKey),
      'a key elsewhere': await sign({ alg: 'EdDSA', kid: stranger.kid, jku: `${t.url}/jwks` }, stranger.privateKey),
      'a certificate elsewhere': await sign({ alg: 'EdDSA', kid: eddsa.kid, x5u: `${t.url}/x` }, eddsa.privateKey),
      'a certificate': await sign({ alg: 'EdDSA', kid: eddsa.kid, x5c: ['MIIB'] }, eddsa.privateKey),
      'a critical extension': `${Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: eddsa.kid, crit: ['x'], x: 1 })).toString('base64url')}.${identity.split('.').slice(1).join('.')}`,
      'another issuer': await sign({ alg: 'EdDSA', kid: eddsa.kid }, eddsa.privateKey, { ...claims, iss: 'urn:machi:production' }), // prettier-ignore
      'no issuer': await sign({ alg: 'EdDSA', kid: eddsa.kid }, eddsa.privateKey, { ...claims, iss: undefined }),
      'no exp': await sign({ alg: 'EdDSA', kid: eddsa.kid }, eddsa.privateKey, { ...claims, exp: undefined }),
      none: `${Buffer.from(JSON.stringify({ alg: 'none', kid: eddsa.kid })).toString('base64url')}.${identity.split('.')[1]}.`,
      'a changed body': identity.replace(
        /\.[^.]+\./,
        `.${Buffer.from(JSON.stringify({ ...claims, sub: claims['sid'] })).toString('base64url')}.`,
      ),
      'a cut signature': identity.slice(0, -4),
      'a body that is no object': await sign({ alg: 'EdDSA', kid: eddsa.kid }, eddsa.privateKey).then((token) => token.replace(/\.[^.]+\./, '.bnVsbA.')), // prettier-ignore
    };
    const names = ['../../../etc/passwd', '/dev/null', "' or 1=1 --", 'http://127.0.0.1/key', '__proto__', 'constructor', '', 'k'.repeat(9000), 7, null, { a: 1 }, [eddsa.kid]]; // prettier-ignore
    for (const kid of names) {
      const text = JSON.stringify(kid).slice(0, 40);
      const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'JWT', kid })).toString('base64url');
      forgeries[`the name ${text}`] = `${header}.${identity.split('.').slice(1).join('.')}`;
      const hmac = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid })).toString('base64url');
      const input = `${hmac}.${identity.split('.')[1]}`;
      const signature = createHmac('sha256', SECRET_KEY).update(input).digest('base64url');
      forgeries[`SECRET_KEY by the name ${text}`] = `${input}.${signature}`;
    }
    for (const [name, token] of Object.entries(forgeries)) {
      const answer = await me(t, token);
      expect([name, answer.status, answer.body['code'], answer.body['msg']]).toEqual([name, 401, 'invalid_token', 'Invalid token']); // prettier-ignore
    }
    expect(await status(t, identity)).toBe(200);
  });
});
