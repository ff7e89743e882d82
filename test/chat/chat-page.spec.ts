import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { asyncapi } from '../support/api/asyncapi.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { SWAGGER: 'on' } });
});
afterAll(() => t.stop());

const PHONE = { width: 360, height: 640 };

it('/docs/chat describes every event and links to Swagger UI, which links back', async () => {
  const { status, text, headers } = await t.request('GET', '/docs/chat');
  expect([status, headers.get('content-security-policy')]).toEqual([200, expect.stringContaining("script-src 'self'")]);
  const missing = Object.keys(asyncapi.operations).filter((type) => !text.includes(`<details id="${type}">`));
  expect(missing).toEqual([]);
  expect(text).toContain('href="/docs"');
  const { body } = await t.request('GET', '/docs-json');
  expect((body['info'] as { description: string }).description).toContain('](/docs/chat)');
  for (const path of ['/docs/chat.css', '/docs/chat.js']) expect((await t.request('GET', path)).status).toBe(200);
});

it('Swagger UI opens with its tags collapsed, described, in the order of the tasks, and with a filter', async () => {
  const { text } = await t.request('GET', '/docs/swagger-ui-init.js');
  expect(text).toMatch(/"docExpansion": "none"/);
  expect(text).toMatch(/"filter": true/);
});

const chromiumPath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const hasChromium = await chromium
  .launch({ executablePath: chromiumPath, args: ['--no-sandbox'] })
  .then((browser) => browser.close().then(() => true))
  .catch(() => false);

describe.skipIf(!hasChromium)('the page in Chromium on a phone', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  it('fits the screen, signs in, connects and shows the answer to a request', async () => {
    const { username } = await t.user();
    const page = await browser.newPage({ viewport: PHONE });
    const problems: string[] = [];
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(`${t.url}/docs/chat`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(PHONE.width);
    await page.fill('#sign-in [name=login]', username);
    await page.fill('#sign-in [name=password]', 'wrong password');
    await page.click('#sign-in button');
    await page.getByText('invalid_credentials').waitFor();
    await page.fill('#sign-in [name=password]', PASSWORD);
    await page.click('#sign-in button');
    await page.getByText(`Connected as ${username}.`).waitFor();
    await page.selectOption('#request [name=type]', 'self');
    await page.click('#request button:not([type=button])');
    await page.locator('#log li', { hasText: '"type":"self","data"' }).waitFor();
    await page.fill('#token [name=token]', 'a.b.c');
    await page.click('#token button');
    await page.getByText('Closed with 4401 invalid login-token. Sign in again, then connect.').waitFor();
    expect(problems.filter((text) => !text.includes('401'))).toEqual([]);
    await page.close();
  });
});
