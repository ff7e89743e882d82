import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newKeys, startApp, type TestApp } from '../support/app.js';
import { sendRaw } from '../support/clients/raw-request.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { NODE_ENV: 'development' } });
});
afterAll(() => t.stop());

describe('/example', () => {
  it('serves the page and the client under a policy that allows no inline scripts and no other origin', async () => {
    const page = await t.request('GET', '/example/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toBe(
      "default-src 'none';script-src 'self';style-src 'self';img-src 'self';connect-src 'self';form-action 'none';base-uri 'none';frame-ancestors 'none'",
    );
    expect(page.text).not.toMatch(/<script>|<style|\son\w+=|style=/);
    for (const path of ['/example/app.js', '/example/client/index.js'])
      expect((await t.request('GET', path)).headers.get('content-type')).toContain('javascript');
  });

  it.each(['/example/../package.json', '/example/client/..%2fpackage.json', '/example/client/.built', '/example/x'])(
    'does not serve %s',
    async (path) => {
      const { text } = await sendRaw(t.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1.1 40[34] /);
    },
  );

  it('does not exist in production', async () => {
    const env = { NODE_ENV: 'production', RATE_LIMITS: 'on', BCRYPT_COST: '10', ...newKeys() };
    const production = await startApp({ env });
    expect((await production.request('GET', '/example/')).status).toBe(404);
    await production.stop();
  });
});
