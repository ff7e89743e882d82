import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { PASSWORD, type SignedInUser } from '../../../test/support/app.js';
import type * as Client from '../dist/index.js';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The Chromium of this machine; `CHROMIUM` names another one. */
export const chromiumPath = process.env['CHROMIUM'] || PATHS.find((path) => existsSync(path));

if (chromiumPath === undefined)
  process.stderr.write(
    '\nThe tests in Chromium were SKIPPED: install Chromium (apt-get install chromium) or set CHROMIUM.\n\n',
  );

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** What functions that run in a page see after `makeClient`. */
declare const window: { machi: Client.MachiClient };

/** Opens the example, and collects in `faults` what the browser reports: violations of the policy, exceptions. */
export async function openExample(context: BrowserContext, base: string, faults: string[] = []): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => /policy/i.test(message.text()) && faults.push(message.text()));
  await page.goto(`${base}/example/`);
  return page;
}

/** The page gets a client of its own, as `machi`. Tokens are in localStorage, which the tabs share. */
export async function makeClient(page: Page, user?: SignedInUser): Promise<void> {
  await page.evaluate(`import('/example/client/index.js').then(({ MachiClient, WebSessionStore }) => {
    window.machi = new MachiClient({ store: new WebSessionStore() });
  })`);
  if (user)
    await page.evaluate(([login, password]) => window.machi.signIn(login, password), [
      user.username,
      PASSWORD,
    ] as const);
}
