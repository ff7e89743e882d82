import { createSecretKey, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { newNetwork, statuses } from '../support/rate-limits.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
});
afterAll(() => t.stop());

interface Attempt {
  password?: string;
  from?: string;
  headers?: Record<string, string>;
  path?: string;
}

const attempt = (login: string, { password = 'wrong', from = newNetwork(), headers = {}, path }: Attempt = {}) =>
  t.request('POST', path ?? '/api/sessions', {
    body: { login, password },
    headers: { 'x-forwarded-for': from, ...headers },
  });

const FREE = [401, 401, 401, 401, 401];

it('BackoffService lets attempts within the free allowance through, also with a clock that is a moment behind', async () => {
  const { username } = await t.user();
  const from = newNetwork();
  t.clock.set(t.clock.now());
  expect((await attempt(username, { from })).status).toBe(401);
  t.clock.advance(-1);
  expect((await attempt(username, { from, password: PASSWORD })).status).toBe(201);
  t.clock.advance(1);
});

describe('failed sign-ins for one login', () => {
  it.each(['known', 'unknown'])(
    'are free five times, then double the waiting time up to 15 minutes (%s user)',
    async (kind) => {
      const login = kind === 'known' ? (await t.user()).username : `nobody-${randomUUID().slice(0, 8)}`;
      t.clock.set(Date.now());
      expect(await statuses(5, () => attempt(login))).toEqual(FREE);
      for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
        const refused = await attempt(login, { password: PASSWORD });
        expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' });
        expect(refused.headers.get('retry-after')).toBe(String(seconds));
        t.clock.advance(seconds * 1000 - 1);
        expect((await attempt(login)).status).toBe(429);
        t.clock.advance(1);
        expect((await attempt(login)).status).toBe(401);
      }
    },
  );

  it('return byte-identical responses for known and unknown logins', async () => {
    const { username } = await t.user();
    t.clock.set(Date.now());
    const seen = async (login: string) => {
      const answers = [];
      for (let i = 0; i < 7; i++) {
        const { text, headers } = await attempt(login);
        const own = ['date', 'x-request-id'];
        answers.push([
          text.replace(headers.get('x-request-id')!, ''),
          [...headers].filter(([name]) => !own.includes(name)),
        ]);
      }
      return answers;
    };
    expect(await seen('nobody-at-all')).toEqual(await seen(username));
  });

  it('share one count for all spellings of the login and of the path', async () => {
    const { username } = await t.user();
    const email = `${username}@example.org`;
    const spellings: [string, Attempt][] = [
      [email, {}],
      [email.toUpperCase(), { path: '/api/sessions/' }],
      [` ${email}`, { path: '/API/Sessions' }],
      [`${email}\t`, { path: '/api/sessions?x=1' }],
      [email, { headers: { 'content-type': 'application/vnd.api+json', 'user-agent': 'other' } }],
    ];
    for (const [login, options] of spellings) expect((await attempt(login, options)).status).toBe(401);
    expect((await attempt(email, { password: PASSWORD })).status).toBe(429);
    expect((await attempt(email.replace('u', 'U'))).status).toBe(429);
  });

  it('are reset by a successful sign-in and 24 hours after the last failure', async () => {
    const { username } = await t.user();
    expect(await statuses(4, () => attempt(username))).toEqual(FREE.slice(1));
    expect((await attempt(username, { password: PASSWORD })).status).toBe(201);
    expect(await statuses(5, () => attempt(username))).toEqual(FREE);
    t.clock.set(Date.now() + 24 * 3600 * 1000);
    expect(await statuses(5, () => attempt(username))).toEqual(FREE);
    expect((await attempt(username)).status).toBe(429);
  });

  it('let concurrent attempts for other logins through, whatever order they reach the database in', async () => {
    await t.warmUp();
    t.clock.run();
    for (let round = 0; round < 10; round++) {
      const from = newNetwork();
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => attempt(`crowd-${round}-${i}`, { from })));
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(401));
    }
  });

  it('are counted before the password is checked: 5 of 30 concurrent attempts answer 401, 25 answer 429', async () => {
    const { username } = await t.user();
    await t.warmUp();
    t.clock.set(t.clock.now()); // after a second, one more attempt would be allowed
    const answers = await Promise.all(Array.from({ length: 30 }, () => attempt(username)));
    const tried = answers.filter(({ status }) => status === 401);
    expect([tried.length, answers.filter(({ status }) => status === 429).length]).toEqual([5, 25]);
  });

  it('are reset by DELETE /api/users/:id/lock, and lock and unlock are audited', async () => {
    const user = await t.user();
    t.clock.set(Date.now() + 1000);
    const token = await t.asAdmin();
    await statuses(7, () => attempt(user.username));
    await statuses(6, () => attempt(`${user.username}@example.org`));
    expect((await attempt(user.username, { password: PASSWORD })).status).toBe(429);
    expect((await t.request('DELETE', `/api/users/${user.id}/lock`, { token })).status).toBe(204);
    expect((await attempt(user.username, { password: PASSWORD })).status).toBe(201);
    expect((await attempt(`${user.username}@example.org`, { password: PASSWORD })).status).toBe(201);
    const { body } = await t.request('GET', `/api/audit?subject_id=${user.id}`, { token });
    const actions = (body['items'] as { action: string }[]).map(({ action }) => action);
    expect(actions.filter((action) => /lock/.test(action))).toEqual(['user.unlocked', 'user.locked', 'user.locked']);
  });

  it('send RateLimit and RateLimit-Policy headers', async () => {
    t.clock.set(Date.now());
    const standings = [];
    for (let i = 0; i < 6; i++) {
      const { headers } = await attempt('standing');
      standings.push([headers.get('ratelimit'), headers.get('ratelimit-policy')]);
    }
    const policy = '"sign-in";q=5;w=86400';
    expect(standings).toEqual([
      ['"sign-in";r=4;t=0', policy],
      ['"sign-in";r=3;t=0', policy],
      ['"sign-in";r=2;t=0', policy],
      ['"sign-in";r=1;t=0', policy],
      ['"sign-in";r=0;t=1', policy],
      ['"sign-in";r=0;t=1', policy],
    ]);
  });
});

describe('a known device', () => {
  it('is not locked by failures of other devices and has five free failures of its own', async () => {
    const { username, token } = await t.user();
    await statuses(6, () => attempt(username));
    expect((await attempt(username, { password: PASSWORD })).status).toBe(429);
    const headers = { authorization: `Bearer ${token}` };
    expect((await attempt(username, { password: PASSWORD, headers })).status).toBe(201);
    expect((await attempt(username, { password: PASSWORD, headers: { cookie: `login-token=${token}` } })).status).toBe(
      201,
    );
    await t.request('DELETE', '/api/sessions', { token });
    expect((await attempt(username, { password: PASSWORD, headers })).status).toBe(201);
    expect(await statuses(5, () => attempt(username, { headers }))).toEqual(FREE);
    expect((await attempt(username, { headers })).status).toBe(429);
  });

  it('shares its failure count with the other known devices of the user', async () => {
    const user = await t.user();
    const tokens: string[] = [];
    for (let i = 0; i < 3; i++) tokens.push(await t.signIn(user.username, PASSWORD));
    const answers = await statuses(6, (i) =>
      attempt(user.username, { headers: { authorization: `Bearer ${tokens[i % 3]}` } }),
    );
    expect(answers).toEqual([...FREE, 429]);
  });

  it('is not recognised by a token of another user, a forged one or a malformed one', async () => {
    const [victim, other] = [await t.user(), await t.user()];
    await statuses(6, () => attempt(victim.username));
    const claims = jwt.decode(victim.token) as object;
    const forged = jwt.sign(claims, createSecretKey(Buffer.from(randomUUID())), { algorithm: 'HS256' });
    for (const token of [other.token, forged, 'x', 'a.b.c', `${victim.token}x`]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await attempt(victim.username, { password: PASSWORD, headers })).status).toBe(429);
    }
  });
});

describe('failed sign-ins from one network', () => {
  const tryMany = (from: (i: number) => string, count: number) =>
    statuses(count, (i) => attempt(`guess-${randomUUID().slice(0, 8)}-${i}`, { from: from(i) }));

  it('make the network wait after twenty for any logins, but not a known device', async () => {
    const from = newNetwork();
    const { username, token } = await t.user();
    t.clock.set(Date.now());
    expect(await tryMany(() => from, 21)).toEqual([...Array<number>(20).fill(401), 429]);
    expect((await attempt(username, { password: PASSWORD, from })).status).toBe(429);
    const headers = { authorization: `Bearer ${token}` };
    expect((await attempt(username, { password: PASSWORD, from, headers })).status).toBe(201);
    expect((await attempt(username, { password: PASSWORD })).status).toBe(201);
    t.clock.advance(1000);
    expect((await attempt(username, { password: PASSWORD, from })).status).toBe(201);
  });

  it('are not reset by a successful sign-in to another account', async () => {
    const from = newNetwork();
    const own = await t.user();
    t.clock.set(Date.now());
    await tryMany(() => from, 19);
    expect((await attempt(own.username, { password: PASSWORD, from })).status).toBe(201);
    expect(await tryMany(() => from, 2)).toEqual([401, 429]);
  });

  it('are reset an hour after the last failure, also with successful sign-ins in between', async () => {
    const from = newNetwork();
    const own = await t.user();
    t.clock.set(Date.now());
    await tryMany(() => from, 19);
    for (let minutes = 0; minutes < 60; minutes += 20) {
      expect((await attempt(own.username, { password: PASSWORD, from })).status).toBe(201);
      t.clock.advance(20 * 60_000);
    }
    expect(await tryMany(() => from, 20)).toEqual(Array(20).fill(401));
  });

  it('count per /64 of IPv6, and an IPv4-mapped address counts as IPv4', async () => {
    t.clock.set(Date.now());
    expect(await tryMany((i) => `2001:db8:0:7::${(i + 1).toString(16)}`, 21)).toContain(429);
    expect((await attempt('somebody-else', { from: '2001:0db8:0000:0007:ffff::1' })).status).toBe(429);
    expect((await attempt('somebody-else', { from: '2001:db8:0:8::1' })).status).toBe(401);
    const from = newNetwork();
    await tryMany(() => from, 20);
    expect((await attempt('somebody-else', { from: `::ffff:${from}` })).status).toBe(429);
  });

  it('count per /48 of IPv6 too, with 200 free failures, and one /64 cannot use them up for the others', async () => {
    t.clock.set(Date.now());
    const site = (i: number) => `2001:db8:48:${i.toString(16)}::1`;
    await tryMany(() => site(99), 40); // 20 failures, and 20 refusals that do not count for the /48
    for (let round = 0; round < 12; round++) {
      const answers = await Promise.all(Array.from({ length: 15 }, (_, i) => tryMany(() => site(i), 1)));
      expect(answers.flat()).toEqual(Array<number>(15).fill(401));
    }
    const { username } = await t.user();
    expect((await attempt(username, { password: PASSWORD, from: site(17) })).status).toBe(429);
    expect((await attempt(username, { password: PASSWORD, from: '2001:db8:49::1' })).status).toBe(201);
  }, 60_000);

  it('do not count for a login when its network is refused', async () => {
    const from = newNetwork();
    const { username } = await t.user();
    t.clock.set(Date.now());
    await tryMany(() => from, 20);
    await statuses(6, () => attempt(username, { from }));
    expect((await attempt(username)).headers.get('ratelimit')).toBe('"sign-in";r=4;t=0');
  });
});

it('the rate limit ignores forwarding headers of clients that are not trusted proxies', async () => {
  const plain = await startApp({ env: { RATE_LIMITS: 'on' } });
  const answers: number[] = [];
  for (let i = 0; i < 21; i++) {
    const { status } = await plain.request('POST', '/api/sessions', {
      body: { login: `nobody-${i}`, password: 'wrong' },
      headers: { 'x-forwarded-for': `203.0.113.${i}`, forwarded: `for=203.0.113.${i}`, 'x-real-ip': `203.0.113.${i}` },
    });
    answers.push(status);
  }
  expect(answers.at(-1)).toBe(429);
  await plain.stop();
});

it('routes that ask for the current password answer 429 after five wrong ones', async () => {
  const { token } = await t.user();
  t.clock.set(Date.now());
  const guesses: [string, string, object][] = [
    ['PUT', '/api/users/me/password', { current_password: 'wrong', new_password: 'another good one' }],
    ['DELETE', '/api/users/me', { password: 'wrong' }],
    ['PATCH', '/api/users/me', { email: 'elsewhere@example.org', current_password: 'wrong' }],
  ];
  const guess = (i: number) => {
    const [method, path, body] = guesses[i % 3]!;
    return t.request(method, path, { token, body, headers: { 'x-forwarded-for': newNetwork() } });
  };
  expect(await statuses(7, guess)).toEqual([403, 403, 403, 403, 403, 429, 429]);
});

it('POST /api/sessions answers 503 without the database', async () => {
  let proxy!: Awaited<ReturnType<typeof startProxy>>;
  const cut = await startApp({
    env: { RATE_LIMITS: 'on' },
    route: async (connection) => (proxy = await startProxy(connection)).connection,
  });
  proxy.cut();
  const body = { login: 'admin', password: 'wrong' };
  expect((await cut.request('POST', '/api/sessions', { body })).status).toBe(503);
  proxy.restore();
  await cut.stop();
  proxy.stop();
});

it('the table rate_limit_counters contains no login', async () => {
  await attempt('my-secret-password-typed-into-the-wrong-field');
  const rows = await t.dataSource.query<{ row: string }[]>(
    `select encode(key, 'escape') as row from rate_limit_counters`,
  );
  expect(rows.some(({ row }) => /secret|nobody|user/.test(row))).toBe(false);
});
