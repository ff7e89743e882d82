import { exportJWK } from 'jose';
import { createHmac, createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { AUDIENCE, listen, startIssuer } from '../../support/servers/oidc-issuer.js';

/** Two issuers that do what a test makes them do; the second one is there to be mistaken for. */
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let other: Awaited<ReturnType<typeof startIssuer>>;
let t: TestApp;
let now: number;
beforeAll(async () => {
  [issuer, other] = await Promise.all([startIssuer(), startIssuer()]);
  t = await startApp({
    env: { EXTERNAL_IDENTITY: 'oidc', OIDC_ISSUER: `${issuer.issuer},${other.issuer}`, OIDC_AUDIENCE: AUDIENCE },
  });
});
let start = 0;
beforeEach(() => {
  start += 3_600_000; // past the lifetime of cached keys
  t.clock.set(Math.ceil(Date.now() / 1000) * 1000 + start);
  now = t.clock.seconds();
});
afterEach(() => {
  issuer.reset();
});
afterAll(async () => {
  await t.stop();
  await Promise.all([issuer.stop(), other.stop()]);
});

const exchange = async (token: string) => {
  const { status, body, headers } = await t.request('POST', '/api/sessions/exchange', { body: { token } });
  return { status, code: body['code'], msg: body['msg'], body, headers };
};
const sign = (
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key?: Parameters<typeof issuer.sign>[2],
) => issuer.sign({ iat: now, exp: now + 600, ...claims }, header, key);

describe('a token of an OpenID Connect issuer', () => {
  it.each<[string, number, Record<string, unknown>]>([
    ['with valid claims', 201, {}],
    ['for Machi among other audiences', 201, { aud: ['https://else.example', AUDIENCE] }],
    ['for another audience', 401, { aud: 'https://else.example' }],
    ['without an audience', 401, { aud: undefined }],
    ['with an empty list of audiences', 401, { aud: [] }],
    ['for an audience that begins with ours', 401, { aud: `${AUDIENCE}/x` }],
    ['for an audience that is an object', 401, { aud: { 0: AUDIENCE } }],
    ['without an issuer', 401, { iss: undefined }],
    ['of an unconfigured issuer', 401, { iss: 'https://else.example' }],
    ['of a configured issuer with a trailing slash', 401, { iss: 'placeholder' }],
    ['of several issuers', 401, { iss: ['placeholder'] }],
    ['without a subject', 401, { sub: undefined }],
    ['of an empty subject', 401, { sub: '' }],
    ['of a subject that is a number', 401, { sub: 7 }],
    ['of a subject with a NUL', 401, { sub: 'a\0b' }],
    ['of a subject with a lone surrogate', 401, { sub: 'a\ud800' }],
    ['of a subject of 255 characters', 201, { sub: 'x'.repeat(255) }],
    ['of a subject of 256 characters', 401, { sub: 'x'.repeat(256) }],
    ['without an expiry', 401, { exp: undefined }],
    ['whose expiry is a string', 401, { exp: '9999999999' }],
    ['bound to a key of its owner (cnf)', 401, { cnf: { jkt: 'x' } }],
    ['with logout events', 401, { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
    ['of type Refresh in its claims', 401, { typ: 'Refresh' }],
    ['of type Bearer in its claims', 201, { typ: 'Bearer' }],
  ])('%s is answered with %i', async (_, status, claims) => {
    const iss =
      claims['iss'] === 'placeholder'
        ? `${issuer.issuer}/`
        : Array.isArray(claims['iss'])
          ? [issuer.issuer]
          : claims['iss'];
    const answer = await exchange(await sign('iss' in claims ? { ...claims, iss } : claims));
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer).toMatchObject({ code: 'invalid_token', msg: 'Token has expired' });
  });

  it.each<[string, number, string | undefined, (now: number) => Record<string, unknown>]>([
    ['that ended 59 s ago', 201, undefined, (at) => ({ exp: at - 59 })],
    ['that ended 60 s ago', 401, 'token_expired', (at) => ({ exp: at - 60 })],
    ['that begins in 60 s', 201, undefined, (at) => ({ nbf: at + 60 })],
    ['that begins in 61 s', 401, 'invalid_token', (at) => ({ nbf: at + 61 })],
    ['that begins in words', 401, 'invalid_token', () => ({ nbf: 'now' })],
    ['made in 60 s', 201, undefined, (at) => ({ iat: at + 60 })],
    ['made in 61 s', 401, 'invalid_token', (at) => ({ iat: at + 61 })],
    ['made in words', 401, 'invalid_token', () => ({ iat: 'today' })],
    ['made at no time', 201, undefined, () => ({ iat: undefined })],
  ])('%s is answered with %i', async (_, status, code, claims) => {
    expect(await exchange(await sign(claims(now)))).toMatchObject({ status, code });
    if (code === 'token_expired') expect((await exchange(await sign(claims(now)))).msg).toBe('Token has expired');
  });

  it.each<[string | undefined, number]>([
    ['at+jwt', 201],
    ['AT+JWT', 201],
    ['application/at+jwt', 201],
    ['JWT', 201],
    [undefined, 201],
    ['logout+jwt', 401],
    ['secevent+jwt', 401],
    ['dpop+jwt', 401],
    ['oauth-authz-req+jwt', 401],
    ['client-authentication+jwt', 401],
    ['JOSE', 401],
    ['', 401],
  ])('of type %j is answered with %i', async (typ, status) => {
    expect((await exchange(await sign({}, { typ }))).status).toBe(status);
  });

  it('is accepted only with an asymmetric signature of the issuer', async () => {
    const spki = issuer.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(stranger.publicKey);
    const good = await sign();
    const [head, body] = good.split('.') as [string, string];
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const oct = Buffer.from('a secret that the issuer has published by mistake');
    issuer.keys.push({ kty: 'oct', kid: 'oct', k: oct.toString('base64url'), alg: 'HS256' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    issuer.keys.push({ ...(await exportJWK(rsa.publicKey)), kid: 'short' });
    issuer.keys.push({ ...jwk, kid: 'for-encryption', use: 'enc' });
    issuer.keys.push({ kty: 'EC', crv: 'P-256', kid: 'damaged', x: 'AA', y: 'AA' });
    const short = `${part({ alg: 'RS256', kid: 'short', typ: 'at+jwt' })}.${body}`;
    const { sign: signRaw } = await import('node:crypto');

    expect((await exchange(good)).status).toBe(201);
    const forgeries: Record<string, string> = {
      'the public key as a secret': await sign({}, { alg: 'HS256' }, createSecretKey(Buffer.from(spki))),
      'a published secret': await sign({}, { alg: 'HS256', kid: 'oct' }, createSecretKey(oct)),
      'no signature': `${part({ alg: 'none', kid: issuer.kid })}.${body}.`,
      'None at all': `${part({ alg: 'None' })}.${body}.`,
      'an empty signature': `${head}.${body}.`,
      'another key': await sign({}, {}, stranger.privateKey),
      'a key in its own header': await sign({}, { jwk }, stranger.privateKey),
      'a key that is elsewhere': await sign({}, { jku: `${other.issuer}/jwks`, kid: other.kid }, other.privateKey),
      'the key of another issuer': await sign({}, { kid: other.kid }, other.privateKey),
      'a key for encryption': await sign({}, { kid: 'for-encryption' }, stranger.privateKey),
      'a key that is too short': `${short}.${signRaw('sha256', Buffer.from(short), rsa.privateKey).toString('base64url')}`,
      'a key that is damaged': await sign({}, { kid: 'damaged' }),
      'a critical extension': `${part({ alg: 'ES256', kid: issuer.kid, crit: ['x'], x: 1 })}.${body}.${good.split('.')[2]}`,
      'a body that is not encoded': `${part({ alg: 'ES256', kid: issuer.kid, crit: ['b64'], b64: false })}.${body}.${good.split('.')[2]}`,
      'a changed body': `${head}.${part({ ...(JSON.parse(Buffer.from(body, 'base64url').toString()) as object), sub: 'admin' })}.${good.split('.')[2]}`,
      'an HMAC under nothing': `${part({ alg: 'HS256' })}.${body}.${createHmac('sha256', '').update('x').digest('base64url')}`,
      'five parts': `${head}.${body}.a.b.c`,
      'a body that is a list': `${head}.${part([1])}.${good.split('.')[2]}`,
    };
    for (const [name, token] of Object.entries(forgeries)) {
      expect([name, (await exchange(token)).code]).toEqual([name, 'invalid_token']);
    }
    issuer.keys.length = 1;
  });

  it('may name any key id, which is only compared with known ids', async () => {
    await exchange(await sign());
    const paths = issuer.count('/jwks');
    const names = ['../../../etc/passwd', "' or 1=1 --", 'http://127.0.0.1:1/', '__proto__', '', 'k'.repeat(8000)];
    for (const kid of names)
      expect([kid, (await exchange(await sign({}, { kid }))).code]).toEqual([kid, 'invalid_token']);
    expect(issuer.count('/jwks')).toBe(paths); // no request within the minute
  });

  it('belongs to another user than the same subject of another issuer', async () => {
    const sub = randomUUID();
    const [one, two] = [
      await exchange(await sign({ sub })),
      await exchange(await other.sign({ sub, iat: now, exp: now + 600 })),
    ];
    expect([one.status, two.status]).toEqual([201, 201]);
    expect(one.body['user']['id']).not.toBe(two.body['user']['id']);
  });

  it('identifies a case-sensitive subject', async () => {
    const sub = `Sub-${randomUUID()}`;
    const ids = await Promise.all(
      [sub, sub.toLowerCase(), `${sub} `].map(
        async (each) => (await exchange(await sign({ sub: each }))).body['user']['id'],
      ),
    );
    expect(new Set(ids).size).toBe(3);
  });
});

describe('an OpenID Connect issuer', () => {
  const failures: Record<string, () => void> = {
    'that is broken': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) => response.writeHead(500).end();
    },
    'that says it is another': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) =>
        issuer.json(response, { issuer: other.issuer, jwks_uri: `${issuer.issuer}/jwks` });
    },
    'that sends its discovery elsewhere': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) =>
        response.writeHead(302, { location: `${other.issuer}/.well-known/openid-configuration` }).end();
    },
    'that sends its keys elsewhere': () => {
      issuer.routes['/jwks'] = (_, response) => response.writeHead(307, { location: `${other.issuer}/jwks` }).end();
    },
    'whose keys are in a file': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) =>
        issuer.json(response, { issuer: issuer.issuer, jwks_uri: 'file:///etc/passwd' });
    },
    'whose keys come from afar without TLS': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) =>
        issuer.json(response, { issuer: issuer.issuer, jwks_uri: 'http://192.0.2.1/jwks' });
    },
    'whose keys are 10 MB': () => {
      issuer.routes['/jwks'] = (_, response) => issuer.json(response, { keys: [], noise: 'x'.repeat(10_000_000) });
    },
    'whose keys are no JSON': () => {
      issuer.routes['/jwks'] = (_, response) => response.writeHead(200).end('<html>');
    },
    'whose keys are no keys': () => {
      issuer.routes['/jwks'] = (_, response) => issuer.json(response, { keys: 'none' });
    },
    'whose documents are null': () => {
      issuer.routes['/.well-known/openid-configuration'] = (_, response) => issuer.json(response, null);
    },
    'that breaks off': () => {
      issuer.routes['/jwks'] = (_, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{');
        response.destroy();
      };
    },
    'that does not answer': () => {
      issuer.routes['/jwks'] = () => undefined;
    },
    'that answers drop by drop': () => {
      issuer.routes['/jwks'] = (_, response) => {
        const drops = setInterval(() => response.write(' '), 50);
        response.once('close', () => clearInterval(drops));
      };
    },
  };

  it.each(Object.keys(failures))('that %s answers 503 and is requested again after ten seconds', async (name) => {
    failures[name]!();
    const token = await sign();
    const before = other.count('/jwks') + other.count('/.well-known/openid-configuration');
    const began = performance.now();
    const answer = await exchange(token);
    expect(answer).toMatchObject({ status: 503, code: 'identity_provider_unavailable' });
    expect(answer.headers.get('retry-after')).toBe('10');
    expect(performance.now() - began).toBeLessThan(5000);
    expect(other.count('/jwks') + other.count('/.well-known/openid-configuration')).toBe(before); // the redirect was not followed
    issuer.reset();
    t.clock.advance(9_999);
    expect((await exchange(token)).headers.get('retry-after')).toBe('1');
    t.clock.advance(1);
    expect((await exchange(token)).status).toBe(201);
  });

  it('receives one request for concurrent sign-ins', async () => {
    const before = issuer.count('/jwks');
    const tokens = await Promise.all(Array.from({ length: 20 }, () => sign()));
    const answers = await Promise.all(tokens.map(exchange));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(issuer.count('/jwks')).toBe(before + 1);
  });

  it('that does not answer blocks only tokens with unknown keys', async () => {
    const known = await sign();
    expect((await exchange(known)).status).toBe(201);
    t.clock.advance(60_000);
    failures['that is broken']!();
    const unknown = await sign({}, { kid: 'new' });
    expect(await exchange(unknown)).toMatchObject({ status: 503, code: 'identity_provider_unavailable' });
    expect((await exchange(known)).status).toBe(201);
    const requests = issuer.count('/.well-known/openid-configuration');
    expect((await exchange(unknown)).headers.get('retry-after')).toBe('60');
    expect(issuer.count('/.well-known/openid-configuration')).toBe(requests);
  });

  it('whose only key has no kid is supported', async () => {
    const { kid: _, ...key } = issuer.keys[0]!;
    issuer.routes['/jwks'] = (request, response) => issuer.json(response, { keys: [key] });
    expect((await exchange(await sign({}, { kid: undefined }))).status).toBe(201);
  });

  it('that withdraws a key has its tokens refused ten minutes later', async () => {
    const token = await sign({ exp: now + 3600 });
    expect((await exchange(token)).status).toBe(201);
    issuer.routes['/jwks'] = (_, response) => issuer.json(response, { keys: [] });
    t.clock.advance(599_999);
    expect((await exchange(token)).status).toBe(201);
    t.clock.advance(1);
    expect((await exchange(token)).code).toBe('invalid_token');
  });

  it('that never answers does not affect other routes', async () => {
    const gone = await listen(() => undefined);
    await gone.stop();
    const app = await startApp({
      env: { EXTERNAL_IDENTITY: 'oidc', OIDC_ISSUER: gone.url, OIDC_AUDIENCE: AUDIENCE },
    });
    const token = await issuer.sign({ iss: gone.url });
    const answer = await app.request('POST', '/api/sessions/exchange', { body: { token } });
    expect(answer.body).toMatchObject({ status: 503, code: 'identity_provider_unavailable' });
    expect((await app.request('GET', '/api/health/ready')).status).toBe(200);
    await app.stop();
  });
});

it('the logs and the audit log contain no token', async () => {
  const token = await sign();
  await exchange(token);
  await exchange(`${token}x`);
  const events = JSON.stringify(await t.dataSource.query('select * from audit_events'));
  for (const text of [t.logLines.join(''), events]) expect(text).not.toContain(token.split('.')[1]);
});
