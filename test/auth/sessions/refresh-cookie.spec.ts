import { createHmac } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isKnownOrigin } from '../../../src/http/origin.js';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { connect, dial } from '../../support/clients/chat-client.js';
import { CookieJar } from '../../support/clients/cookie-jar.js';
import { ORIGIN, passkeyClient } from '../../support/clients/passkey-client.js';
import { statusWith } from '../../support/clients/session-client.js';
import { challengeFor, codeAt, twoFactorUser } from '../../support/clients/totp.js';

const COOKIE = '__Secure-refresh-token';
const FRONT_END = { origin: ORIGIN };

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: {
      PUBLIC_URL: 'https://machi.example',
      ALLOWED_ORIGINS: ORIGIN,
      EXTERNAL_IDENTITY: 'trusted-subject',
      IDENTITY_TOKEN_TTL: '15m',
      REFRESH_TOKEN_TTL: '7d',
    },
  });
});
afterAll(() => t.stop());

type Headers = Record<string, string>;
const post = (path: string, body: object, headers: Headers = FRONT_END) =>
  t.request('POST', `/api/sessions${path}` as '/api/sessions', { body, headers });
const refresh = (cookies: CookieJar | Headers, headers: Headers = FRONT_END, body: object = { refresh: 'cookie' }) =>
  post('/refresh', body, { ...(cookies instanceof CookieJar ? cookies.header() : cookies), ...headers });
const signOut = (headers: Headers) => t.request('DELETE', '/api/sessions/current', { headers });
const cookieOf = (token: string): Headers => ({ cookie: `${COOKIE}=${token}` });

/** Signs in as a page does that keeps its refresh token in the cookie. */
async function signIn(of?: SignedInUser) {
  const user = of ?? (await t.user());
  const answer = await post('', { login: user.username, password: PASSWORD, refresh: 'cookie' });
  const jar = new CookieJar();
  jar.store(answer.headers);
  return { user, jar, answer, id: answer.body['id'], identity: answer.body['identity_token'] };
}

/** Whether the session that these cookies belong to still exists. */
const isAlive = async ({ identity }: { identity: string }): Promise<boolean> => (await statusWith(t, identity)) === 200;

describe('"refresh": "cookie"', () => {
  it('at POST /api/sessions sets an HttpOnly cookie for the session routes and leaves the token out of the body', async () => {
    const { answer, jar } = await signIn();
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(new CookieJar().store(answer.headers)[COOKIE]).toMatchObject({
      httpOnly: true,
      secure: true,
      sameSite: 'strict',
      path: '/api/sessions',
      maxAge: 7 * 86_400,
    });
    expect(answer.headers.getSetCookie()).toEqual([expect.not.stringMatching(/domain|partitioned/i)]);
    expect(Object.keys(answer.body)).not.toContain('refresh_token');
    expect(answer.text).not.toContain(jar.get(COOKIE));
  });

  it('at the two-factor, passkey and exchange routes does the same', async () => {
    const guarded = await twoFactorUser(t);
    const challenge = await challengeFor(t, guarded);
    t.clock.advance(30_000);
    const code = codeAt(guarded.secret, t.clock.now());
    const passkeys = passkeyClient(() => t);
    const owner = await passkeys.passkeyUser();
    const credential = owner.authenticator.get(await passkeys.requestOptions());
    const exchange = { token: 'cookie.subject', provider: 'trusted-subject' };
    for (const [path, body] of [
      ['/two-factor', { challenge, code }],
      ['/passkey', { credential }],
      ['/exchange', exchange],
    ] as const) {
      const { status, headers, body: session } = await post(path, { ...body, refresh: 'cookie' });
      expect([path, status, Object.keys(session).includes('refresh_token')]).toEqual([path, 201, false]);
      const jar = new CookieJar();
      jar.store(headers);
      expect((await refresh(jar)).status).toBe(200);
    }
  });

  it('is the only value: without it the token is in the body and no cookie is set', async () => {
    const { username: login } = await t.user();
    const { headers, body } = await post('', { login, password: PASSWORD });
    expect([headers.getSetCookie(), typeof body['refresh_token']]).toEqual([[], 'string']);
    for (const value of ['body', true, ['cookie'], 'Cookie'])
      expect((await post('', { login, password: PASSWORD, refresh: value })).status).toBe(422);
  });

  it('sets no cookie when the sign-in fails', async () => {
    const { username: login } = await t.user();
    const { status, headers } = await post('', { login, password: 'wrong password', refresh: 'cookie' });
    expect([status, headers.getSetCookie()]).toEqual([401, []]);
  });

  it('at POST /api/sessions/refresh moves a token from the body to the cookie', async () => {
    const { username: login } = await t.user();
    const { body: session } = await post('', { login, password: PASSWORD });
    const { refresh_token } = session;
    const { status, headers, body } = await post('/refresh', { refresh_token, refresh: 'cookie' });
    expect([status, Object.keys(body).includes('refresh_token'), headers.getSetCookie().length]).toEqual([
      200,
      false,
      1,
    ]);
  });
});

describe('POST /api/sessions/refresh with the cookie', () => {
  it('rotates the token: it sets the next one as the cookie and answers with the next identity token', async () => {
    const { jar, id } = await signIn();
    const before = jar.get(COOKIE);
    const { status, headers, body, text } = await refresh(jar);
    expect([status, body['id'], Object.keys(body).includes('refresh_token')]).toEqual([200, id, false]);
    jar.store(headers);
    expect(jar.get(COOKIE)).not.toBe(before);
    expect(text).not.toContain(jar.get(COOKIE));
    expect(await statusWith(t, body['identity_token'])).toBe(200);
  });

  it('never puts a token from the cookie into the body, whatever the body says', async () => {
    const { jar } = await signIn();
    for (const body of [{}, { refresh: 'cookie' }, { refresh_token: null }]) {
      const { status, headers, text } = await refresh(jar, FRONT_END, body);
      jar.store(headers);
      expect([status, text.includes('refresh_token'), text.includes(jar.get(COOKIE))]).toEqual([200, false, false]);
    }
    expect((await refresh(jar, FRONT_END, { refresh: 'body' })).status).toBe(422);
  });

  it('uses the token of the body if there is one, and then leaves the cookie as it is', async () => {
    const own = await signIn();
    const { username: login } = await t.user();
    const { body: other } = await post('', { login, password: PASSWORD });
    const { refresh_token } = other;
    const { headers, body } = await refresh(own.jar, FRONT_END, { refresh_token });
    expect([body['id'], typeof body['refresh_token'], headers.getSetCookie()]).toEqual([other['id'], 'string', []]);
    const invalid = await refresh(own.jar, FRONT_END, { refresh_token: 'a.b.c' });
    expect([invalid.status, invalid.headers.getSetCookie()]).toEqual([401, []]);
    expect((await refresh(own.jar)).body['id']).toBe(own.id);
  });

  it('answers 401 token_required without a cookie, and 422 to a request that names neither', async () => {
    const without = await post('/refresh', { refresh: 'cookie' });
    expect([without.status, without.body['code']]).toEqual([401, 'token_required']);
    const neither = await post('/refresh', {});
    expect([neither.status, neither.body['errors']]).toMatchObject([422, [{ path: 'refresh_token' }]]);
  });

  it('answers all of ten tabs that refresh at once with the same next token', async () => {
    const { jar, identity } = await signIn();
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(jar)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const cookies = answers.map(({ headers }) => new CookieJar().store(headers)[COOKIE]!.value);
    expect(new Set(cookies).size).toBe(1);
    expect((await refresh(cookieOf(cookies[0]!))).status).toBe(200);
    expect(await isAlive({ identity })).toBe(true);
  });

  it('ends the session when a copied cookie is used by another client after the page has refreshed', async () => {
    const { jar } = await signIn();
    const copy = jar.header();
    const { headers, body } = await refresh(jar);
    jar.store(headers);
    const thief = await refresh(copy, { ...FRONT_END, 'user-agent': 'curl/8' });
    expect([thief.status, thief.body['code'], thief.headers.getSetCookie()]).toEqual([401, 'token_reused', []]);
    expect(await isAlive({ identity: body['identity_token'] })).toBe(false);
  });
});

describe('a request that the cookie authenticates', () => {
  const FOREIGN: [string, Headers][] = [
    ['no Origin', {}],
    ['the Origin of another site', { origin: 'https://evil.example' }],
    ['the Origin of a host below the same domain', { origin: 'https://blog.machi.example' }],
    ['an Origin that begins like an allowed one', { origin: `${ORIGIN}.evil.example` }],
    ['the Origin null', { origin: 'null' }],
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['Sec-Fetch-Site: same-site', { 'sec-fetch-site': 'same-site' }],
    ['Sec-Fetch-Site: none', { 'sec-fetch-site': 'none' }],
    ['a Referer instead of an Origin', { referer: `${ORIGIN}/` }],
  ];

  it.each(FOREIGN)('is refused with %s, and changes nothing', async (_, headers) => {
    const session = await signIn();
    for (const answer of [await refresh(session.jar, headers), await signOut({ ...session.jar.header(), ...headers })])
      expect([answer.status, answer.body['code'], answer.headers.getSetCookie()]).toEqual([403, 'foreign_origin', []]);
    expect(await isAlive(session)).toBe(true);
    expect((await refresh(session.jar)).body['id']).toBe(session.id);
  });

  it.each<[string, Headers]>([
    ['an allowed Origin', FRONT_END],
    ['the Origin of PUBLIC_URL', { origin: 'https://machi.example' }],
    ['Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }],
  ])('is accepted with %s', async (_, headers) => {
    const { jar } = await signIn();
    expect((await refresh(jar, headers)).status).toBe(200);
  });

  it('needs an Origin also under ALLOWED_ORIGINS=*, which names none', () => {
    const config = { ...t.config, ALLOWED_ORIGINS: ['*'], PUBLIC_URL: undefined } as unknown as TestApp['config'];
    const isKnown = (headers: Headers): boolean =>
      isKnownOrigin({ headers: { host: 'localhost:5000', ...headers } }, config);
    expect([isKnown({ origin: 'https://evil.example' }), isKnown({})]).toEqual([false, false]);
    expect(isKnown({ origin: 'http://localhost:5000' })).toBe(true);
  });

  it('is refused if the body is a form or a text, which pages of other sites can send without asking', async () => {
    const { jar } = await signIn();
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x']) {
      const headers = {
        ...jar.header(),
        'sec-fetch-site': 'cross-site',
        origin: 'https://evil.example',
        'content-type': type,
      };
      const { status } = await t.request('POST', '/api/sessions/refresh', { body: '{"refresh":"cookie"}', headers });
      expect([403, 415]).toContain(status);
    }
  });
});

describe('a cookie that another host of the same domain has added', () => {
  it('is refused beside the own one, and neither session is refreshed', async () => {
    const [own, planted] = [await signIn(), await signIn()];
    for (const [first, second] of [
      [planted, own],
      [own, planted],
    ] as const) {
      const cookie = `${COOKIE}=${first.jar.get(COOKIE)}; ${COOKIE}=${second.jar.get(COOKIE)}`;
      const { status, body } = await refresh({ cookie });
      expect([status, body['code']]).toEqual([401, 'invalid_token']);
    }
    expect([await isAlive(own), await isAlive(planted)]).toEqual([true, true]);
  });

  it('does not matter to a page that sends its last identity token, even an expired one', async () => {
    const [own, planted] = [await signIn(), await signIn()];
    const cookie = `${COOKIE}=${planted.jar.get(COOKIE)}; ${COOKIE}=${own.jar.get(COOKIE)}`;
    const bearer = (token: string) => ({ ...FRONT_END, authorization: `Bearer ${token}` });
    t.clock.advance(16 * 60_000);
    expect((await refresh({ cookie }, bearer(own.identity))).body['id']).toBe(own.id);
    const only = await refresh(planted.jar, bearer(own.identity));
    expect([only.status, only.body['code']]).toEqual([401, 'invalid_token']);
    expect((await refresh(planted.jar)).body['id']).toBe(planted.id);
  });

  it.each(['x', 'a.b.c', '', '%00', 'e'.repeat(5000)])(
    'is ignored if it is no token of ours, such as %j',
    async (value) => {
      const { jar, id } = await signIn();
      const { status, body } = await refresh({ cookie: `${COOKIE}=${value}; ${COOKIE}=${jar.get(COOKIE)}` });
      expect([status, body['id']]).toEqual([200, id]);
    },
  );

  it('is replaced when the user signs in: no session that existed before is continued', async () => {
    const planted = await signIn();
    const { jar } = await signIn();
    expect(jar.get(COOKIE)).not.toBe(planted.jar.get(COOKIE));
    const user = await t.user();
    const answer = await post(
      '',
      { login: user.username, password: PASSWORD, refresh: 'cookie' },
      { ...FRONT_END, ...planted.jar.header() },
    );
    expect([answer.body['id'] === planted.id, answer.body['user'].id]).toEqual([false, user.id]);
  });
});

it.each([
  ['an identity token', ({ identity }: { identity: string }) => identity],
  ['an unsigned token', ({ token }: { token: string }) => `${token.split('.').slice(0, 2).join('.')}.`],
  [
    'a token of another key',
    ({ token }: { token: string }) => {
      const [head, body] = token.split('.') as [string, string];
      return `${head}.${body}.${createHmac('sha256', 'other').update(`${head}.${body}`).digest('base64url')}`;
    },
  ],
])('the cookie with %s is refused with invalid_token', async (_, forge) => {
  const session = await signIn();
  const token = session.jar.get(COOKIE);
  const { status, body } = await refresh(cookieOf(forge({ token, identity: session.identity })));
  expect([status, body['code']]).toEqual([401, 'invalid_token']);
  expect(await isAlive(session)).toBe(true);
});

it('the cookie authenticates nothing but the refresh and the sign-out', async () => {
  const { jar } = await signIn();
  const headers = { ...FRONT_END, ...jar.header() };
  for (const [method, path] of [
    ['GET', '/api/users/me'],
    ['GET', '/api/sessions'],
    ['GET', '/api/sessions/current'],
    ['DELETE', '/api/sessions'],
  ] as const)
    expect((await t.request(method, path, { headers })).status).toBe(401);
  expect(await dial(t, {}, { headers: jar.header() }).end()).toEqual([4401, 'login-token required']);
});

describe('DELETE /api/sessions/current', () => {
  it('with the cookie ends its session, closes its connections and deletes the cookie', async () => {
    const session = await signIn();
    const client = await connect(t, { token: session.identity });
    const { status, headers } = await signOut({ ...FRONT_END, ...session.jar.header() });
    expect(status).toBe(204);
    expect(session.jar.store(headers)[COOKIE]).toMatchObject({ maxAge: 0, path: '/api/sessions', httpOnly: true });
    expect([session.jar.names, await isAlive(session)]).toEqual([[], false]);
    expect(await client.end()).toEqual([4401, 'signed out']);
  });

  it('with a cookie that has expired ends the session, and with no token of ours answers 401 and keeps the cookie', async () => {
    const { jar } = await signIn();
    const claims = jwt.decode(jar.get(COOKIE)) as { sid: string };
    t.clock.advance(8 * 86_400_000);
    expect((await signOut({ ...FRONT_END, ...jar.header() })).status).toBe(204);
    expect(await t.dataSource.query<unknown[]>('select from sessions where id = $1', [claims.sid])).toEqual([]);
    const invalid = await signOut({ ...FRONT_END, ...cookieOf('a.b.c') });
    expect([invalid.status, invalid.headers.getSetCookie()]).toEqual([401, []]);
  });

  it('with a Bearer token deletes the cookie of its session and keeps that of another one', async () => {
    const [one, two] = [await signIn(), await signIn()];
    const authorization = `Bearer ${one.identity}`;
    expect((await signOut({ authorization, ...two.jar.header() })).headers.getSetCookie()).toEqual([]);
    expect([await isAlive(one), await isAlive(two)]).toEqual([false, true]);
    const own = await signOut({ authorization: `Bearer ${two.identity}`, ...two.jar.header() });
    expect(two.jar.store(own.headers)[COOKIE]).toMatchObject({ maxAge: 0 });
  });
});

it('DELETE /api/sessions deletes the cookie, and keeps it with except_current', async () => {
  const { user, jar, identity } = await signIn();
  const headers = { authorization: `Bearer ${identity}`, ...jar.header() };
  const others = await t.request('DELETE', '/api/sessions?except_current=true', { headers });
  expect([others.status, others.headers.getSetCookie()]).toEqual([204, []]);
  const all = await t.request('DELETE', '/api/sessions', { headers });
  expect([all.status, jar.store(all.headers)[COOKIE]]).toMatchObject([204, { maxAge: 0 }]);
  expect((await signIn(user)).answer.status).toBe(201);
});

it('a preflight of an allowed origin permits credentials, of another one does not', async () => {
  const ask = (origin: string) =>
    t.request('OPTIONS', '/api/sessions/refresh', {
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
  const of = ({ headers }: { headers: globalThis.Headers }) => [
    headers.get('access-control-allow-origin'),
    headers.get('access-control-allow-credentials'),
  ];
  expect(of(await ask(ORIGIN))).toEqual([ORIGIN, 'true']);
  expect(of(await ask('https://evil.example'))[0]).toBeNull();
});

it('no log line contains the cookie', () => {
  expect(t.logLines.length).toBeGreaterThan(20);
  expect(t.logLines.filter((line) => line.includes(COOKIE) || line.includes('eyJ'))).toEqual([]);
});

it('in development the cookie has no Secure, because browsers refuse it over http, and another name', async () => {
  const app = await startApp({ env: { NODE_ENV: 'development', SWAGGER: 'off', LOG_LEVEL: 'silent' } });
  const { username: login } = await app.user();
  const body = { login, password: PASSWORD, refresh: 'cookie' };
  const jar = new CookieJar();
  const cookies = jar.store((await app.request('POST', '/api/sessions', { body })).headers);
  expect(cookies['refresh-token']).toMatchObject({ httpOnly: true, sameSite: 'strict', maxAge: 400 * 86_400 });
  expect(cookies['refresh-token']!.secure).toBeUndefined();
  const headers = { ...jar.header(), origin: app.url };
  expect((await app.request('POST', '/api/sessions/refresh', { body: {}, headers })).status).toBe(200);
  await app.stop();
});

it('REFRESH_COOKIE_SAME_SITE=none sets SameSite=None, Secure and Partitioned, and keeps the Origin check', async () => {
  const app = await startApp({
    env: {
      REFRESH_COOKIE_SAME_SITE: 'none',
      ALLOWED_ORIGINS: 'https://front.example',
      PUBLIC_URL: 'https://api.example/machi',
    },
  });
  const { username: login } = await app.user();
  const headers = { origin: 'https://front.example', 'sec-fetch-site': 'cross-site' };
  const body = { login, password: PASSWORD, refresh: 'cookie' };
  const signedIn = await app.request('POST', '/api/sessions', { body, headers });
  const jar = new CookieJar();
  expect(jar.store(signedIn.headers)[COOKIE]).toMatchObject({
    httpOnly: true,
    secure: true,
    sameSite: 'none',
    partitioned: true,
    path: '/machi/api/sessions',
  });
  const send = (origin: string) =>
    app.request('POST', '/api/sessions/refresh', { body: {}, headers: { ...headers, ...jar.header(), origin } });
  expect((await send('https://evil.example')).status).toBe(403);
  expect((await send('https://front.example')).status).toBe(200);
  await app.stop();
});
