import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { ALLOWED_ORIGINS: 'https://front.example,https://other.example', TRUST_PROXY: '' } });
});
afterAll(() => t.stop());

describe('GET with an invalid path or query', () => {
  it.each([
    ['/api/nothing', 404, 'route_not_found'],
    ['/nothing', 404, 'route_not_found'],
    ['/api/users/%E0%A4%A', 400, 'invalid_text'],
    ['/api/users?q=%ED%A0%80', 400, 'invalid_text'],
    ['/api/users?toString=1', 422, 'validation_failed'],
    ['/api/users?q=%00', 400, 'invalid_text'],
    ['/api/users/..%2f..%2fetc', 400, 'invalid_id'],
    ['/docs', 404, 'route_not_found'],
    ['/', 404, 'route_not_found'],
  ])('%s answers %i %s', async (path, status, code) => {
    expect((await t.request('GET', path, { token: await t.asAdmin() })).body).toMatchObject({ status, code });
  });
});

describe('every response', () => {
  it.each(['/api/misc/ping', '/api/users/me', '/nothing', '/api/health'])(
    'of %s carries a request id and does not name the software',
    async (path) => {
      const [one, two] = [
        await t.request('GET', path),
        await t.request('GET', path, { headers: { 'x-request-id': 'mine' } }),
      ];
      expect(one.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(two.headers.get('x-request-id')).not.toBe(one.headers.get('x-request-id'));
      expect(two.headers.get('x-request-id')).not.toBe('mine');
      expect(one.headers.has('x-powered-by')).toBe(false);
      expect(one.headers.get('x-content-type-options')).toBe('nosniff');
      expect(one.headers.get('content-security-policy')).toContain("default-src 'none'");
    },
  );

  it('with personal data forbids caches to store it', async () => {
    const answer = await t.request('GET', '/api/users/me', { token: await t.asAdmin() });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('has a log line with the same request id and without the query', async () => {
    const answer = await t.request('GET', '/api/users?q=secret-thing', { token: await t.asAdmin() });
    const line = t.logLines.find((text) => text.includes(answer.headers.get('x-request-id')!));
    expect(JSON.parse(line!)).toMatchObject({
      method: 'GET',
      path: '/api/users',
      status: 200,
      ip: '127.0.0.1',
      user_id: expect.any(String),
    });
    expect(t.logLines.join('')).not.toContain('secret-thing');
  });
});

describe('CORS', () => {
  const preflight = (origin: string) =>
    t.request('OPTIONS', '/api/users', {
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });

  it('allows a configured origin', async () => {
    const { headers } = await preflight('https://front.example');
    expect(headers.get('access-control-allow-origin')).toBe('https://front.example');
    expect(headers.get('vary')).toContain('Origin');
    const answer = await t.request('GET', '/api/misc/ping', { headers: { origin: 'https://other.example' } });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://other.example');
  });

  it.each([
    'https://evil.example',
    'https://front.example.evil.example',
    'http://front.example',
    'null',
    'https://FRONT.example',
  ])('does not allow the origin %s', async (origin) => {
    for (const answer of [await preflight(origin), await t.request('GET', '/api/misc/ping', { headers: { origin } })]) {
      expect(answer.headers.has('access-control-allow-origin')).toBe(false);
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });
});

describe('X-Forwarded-For', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' };
  const lastIp = (app: TestApp) => (JSON.parse(app.logLines.at(-1)!) as { ip: string }).ip;

  it('is ignored without TRUST_PROXY', async () => {
    await t.request('GET', '/api/misc/ping', { headers: forwarded });
    await expect.poll(() => lastIp(t)).toBe('127.0.0.1');
  });

  it('counts as far as TRUST_PROXY allows', async () => {
    const behind = await startApp({ env: { TRUST_PROXY: '127.0.0.1, 198.51.100.0/24' } });
    await behind.request('GET', '/api/misc/ping', { headers: forwarded });
    await expect.poll(() => lastIp(behind)).toBe('203.0.113.9');
    await behind.stop();
  });

  it('is logged as an address, and not at all when it is none', async () => {
    const behind = await startApp({ env: { TRUST_PROXY: '127.0.0.1' } });
    for (const [value, ip] of [
      ['203.0.113.9:5000', '203.0.113.9'],
      ['pw hunter2', null],
    ] as const) {
      await behind.request('GET', '/api/misc/ping', { headers: { 'x-forwarded-for': value } });
      await expect.poll(() => lastIp(behind)).toBe(ip);
    }
    await behind.stop();
  });
});
