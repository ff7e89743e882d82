import express from 'express';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/version.js';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import type * as Client from '../dist/index.js';
import { chromiumPath, launchChromium } from './chromium.js';

declare const window: { machi: Client.MachiClient };

/** A page of another server than the API, with the client. */
async function servePage(): Promise<Server> {
  const app = express();
  app.use('/client', express.static(join(packageRoot(), 'clients/typescript/dist')));
  app.get('/', (_, response) => void response.type('html').send('<!doctype html><title>Front end</title>'));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe.skipIf(chromiumPath === undefined)('a page in Chromium that is not served by Machi', () => {
  let browser: Browser;
  let pageServer: Server;
  let user: SignedInUser;
  const apps: Partial<Record<'strict' | 'none', TestApp>> = {};
  beforeAll(async () => {
    [browser, pageServer] = await Promise.all([launchChromium(), servePage()]);
    const { port } = pageServer.address() as AddressInfo;
    const ALLOWED_ORIGINS = `http://localhost:${port},http://127.0.0.1:${port}`;
    apps.strict = await startApp({ env: { ALLOWED_ORIGINS } });
    const { SECRET_KEY } = apps.strict.config;
    const env = { ALLOWED_ORIGINS, SECRET_KEY, REFRESH_COOKIE_SAME_SITE: 'none' };
    apps.none = await startApp({ env, database: apps.strict.connection });
    user = await apps.strict.user();
  });
  afterAll(async () => {
    await browser?.close();
    pageServer?.close();
    await apps.none?.stop();
    await apps.strict?.stop();
  });

  // 127.0.0.1 and localhost are two sites; the ports of localhost are origins of one site.
  it.each([
    ['of the same site keeps its session over a reload', 'localhost', 'strict', true],
    ['of another site keeps its session over a reload with REFRESH_COOKIE_SAME_SITE=none', '127.0.0.1', 'none', true],
    ['of another site signs in again after a reload without that setting', '127.0.0.1', 'strict', false],
  ] as const)('%s', async (_, host, sameSite, isKept) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const baseUrl = apps[sameSite]!.url.replace('127.0.0.1', 'localhost');
    const open = async (): Promise<void> => {
      await page.goto(`http://${host}:${(pageServer.address() as AddressInfo).port}/`);
      await page.evaluate(`import('/client/index.js').then(({ MachiClient, MemorySessionStore }) => {
        window.machi = new MachiClient({ baseUrl: '${baseUrl}', refresh: 'cookie', store: new MemorySessionStore() });
      })`);
    };
    await open();
    await page.evaluate(([login, password]) => window.machi.signIn(login, password), [
      user.username,
      PASSWORD,
    ] as const);
    await open();
    expect(await page.evaluate(() => window.machi.restore())).toBe(isKept);
    if (isKept) expect((await page.evaluate(() => window.machi.api.getMe())).username).toBe(user.username);
    await context.close();
  });
});
