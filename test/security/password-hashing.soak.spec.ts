import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

const from = (network: string) => ({ 'x-forwarded-for': network });
const signIn = (t: TestApp, login: string, network: string, password = PASSWORD) =>
  t.request('POST', '/api/sessions', { body: { login, password }, headers: from(network) });

describe('eight accounts of one network that repeat correct sign-ins', () => {
  let t: TestApp;
  const names: string[] = [];
  beforeAll(async () => {
    // At this cost some 80 hashes may wait for each thread. Without limits, so that only the queue protects.
    t = await startApp({ env: { BCRYPT_COST: '10', TRUST_PROXY: 'loopback' } });
    for (let i = 0; i < 9; i++) names.push((await t.user()).username);
  });
  afterAll(() => t.stop());

  /** Keeps `perAccount` sign-ins of each of eight accounts in flight. Returns a function that disconnects them. */
  function flood(perAccount: number, networkOf: (i: number) => string) {
    const end = new AbortController();
    const statuses = new Set<number>();
    const repeat = async (i: number): Promise<void> => {
      // A connection for each: those that fetch opens and does not use are closed with 408 after ten seconds.
      const sent = request(`${t.url}/api/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...from(networkOf(i)) },
        agent: false,
        signal: end.signal,
      });
      sent.on('error', () => undefined).end(JSON.stringify({ login: names[i % 8], password: PASSWORD }));
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      statuses.add(response.statusCode!);
      await once(response.resume(), 'end');
      return repeat(i);
    };
    const loops = Promise.allSettled(Array.from({ length: 8 * perAccount }, (_, i) => repeat(i)));
    return async () => {
      end.abort();
      await loops;
      return statuses;
    };
  }

  it.each([
    ['an IPv4 address', () => '198.51.100.1', '203.0.113.1'],
    ['an IPv6 /48', (i: number) => `2001:db8:7:${i}::1`, '2001:db8:8::1'],
  ])('get 503 themselves, and another network signs in every time (%s)', async (_, attacker, other) => {
    const stop = flood(12 * t.config.hashingThreads, attacker);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      statuses.push((await signIn(t, names[8]!, other)).status);
      const body = { username: `new-${other.length}-${i}`, password: PASSWORD, fullname: 'New' };
      statuses.push((await t.request('POST', '/api/users', { body, headers: from(other) })).status);
    }
    expect([statuses, await stop()]).toEqual([Array<number>(6).fill(201), new Set([201, 503])]);
  });
});

it('POST /api/sessions answers 503 busy with Retry-After beyond the hashing queue', async () => {
  const slow = await startApp({ env: { BCRYPT_COST: '10' } });
  const attempts = Array.from({ length: 130 }, (_, i) =>
    slow.request('POST', '/api/sessions', { body: { login: `n${i}`, password: 'x' } }),
  );
  const answers = await Promise.all(attempts);
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]!.body['code']).toBe('busy');
  const times = new Set(refused.map(({ headers }) => headers.get('retry-after')));
  expect([...times].filter((time) => !/^[2-5]$/.test(time!))).toEqual([]);
  expect(times.size).toBeGreaterThan(1);
  expect(answers.filter(({ status }) => status !== 503).every(({ status }) => status === 401)).toBe(true);
  await slow.stop();
});

describe('correct passwords', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
  });
  afterAll(() => t.stop());

  it('have a quota of 600 in ten minutes per network', async () => {
    const network = '198.51.100.1';
    const users = [];
    for (let i = 0; i < 20; i++) users.push((await t.user()).username);
    t.clock.set(Date.now() + 600_000);
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) {
      const answers = await Promise.all(users.map((username) => signIn(t, username, network)));
      statuses.push(...answers.map(({ status }) => status));
    }
    expect(statuses.filter((status) => status !== 201)).toEqual([]);
    const { username } = await t.user();
    expect((await signIn(t, username, network)).status).toBe(429);
    expect((await signIn(t, username, '203.0.113.1')).status).toBe(201);
    t.clock.run();
  });
});
