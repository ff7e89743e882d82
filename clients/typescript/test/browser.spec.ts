import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import { jpegOf } from '../../../test/support/files/images.js';
import { codeAt, twoFactorUser } from '../../../test/support/clients/totp.js';
import { startProxy } from '../../../test/support/servers/tcp-proxy.js';
import type * as Client from '../dist/index.js';
import { chromiumPath, launchChromium, makeClient, openExample } from './chromium.js';

/** What the functions that run in the page see. */
declare const window: { machi: Client.MachiClient; chat: Client.ChatClient; seen: string[] };
declare const navigator: {
  serviceWorker: { ready: Promise<{ getNotifications(): Promise<{ title: string; body: string }[]> }> };
};

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let t: TestApp;
  let browser: Browser;
  let hana: SignedInUser;
  /** What the browser reported about the pages: violations of the policy, exceptions. */
  const faults: string[] = [];

  beforeAll(async () => {
    [t, browser] = await Promise.all([
      startApp({ env: { NODE_ENV: 'development', IDENTITY_TOKEN_TTL: '15m' } }),
      launchChromium(),
    ]);
    hana = await t.user();
  });
  afterAll(async () => {
    await browser?.close();
    await t.stop();
  });

  const openPage = (context: BrowserContext, base = t.url): Promise<Page> => openExample(context, base, faults);

  async function signIn(page: Page, login: string): Promise<void> {
    await page.fill('#sign-in [name=login]', login);
    await page.fill('#sign-in [name=password]', PASSWORD);
    await page.click('#sign-in button');
    await page.waitForSelector('#signed-in:not([hidden])');
  }

  it('the example asks for the password again when the sign-in with a code has expired', async () => {
    const user = await twoFactorUser(t);
    const page = await openPage(await browser.newContext());
    const submit = async (): Promise<void> => {
      await page.fill('#sign-in [name=login]', user.username);
      await page.fill('#sign-in [name=password]', PASSWORD);
      await page.click('#sign-in button');
    };
    await submit();
    await page.waitForSelector('#code:not([hidden])');
    t.clock.advance(60 * 60_000);
    await page.fill('#sign-in [name=code]', codeAt(user.secret, t.clock.now()));
    await page.click('#sign-in button');
    await page.waitForSelector('#code', { state: 'hidden', timeout: 5000 });
    expect(await page.isVisible('#error')).toBe(true);
    await submit();
    await page.waitForSelector('#code:not([hidden])');
    await page.fill('#sign-in [name=code]', codeAt(user.secret, t.clock.now()));
    await page.click('#sign-in button');
    await page.waitForSelector('#signed-in:not([hidden])');
    await expect.poll(() => page.textContent('#username')).toBe(user.username);
    t.clock.run();
  });

  it('the example shows profile and avatar, and two users talk in two windows', async () => {
    const [first, second] = [await browser.newContext(), await browser.newContext()];
    const [page, other] = [await openPage(first), await openPage(second)];
    await signIn(page, hana.username);
    const name = `ren${Date.now()}`;
    await other.fill('#register [name=username]', name);
    await other.fill('#register [name=fullname]', 'Ren Ito');
    await other.fill('#register [name=password]', PASSWORD);
    await other.click('#register button');
    await other.waitForSelector('#signed-in:not([hidden])');

    await page.fill('#profile [name=fullname]', 'Hana Sató');
    await page.click('#profile button');
    await page.setInputFiles('#file', { name: 'a.jpg', mimeType: 'image/jpeg', buffer: await jpegOf(200_000) });
    await expect.poll(() => page.textContent('#avatar-state')).toContain('moderator');
    const { body } = await t.request('GET', '/api/users/me', { token: await t.signIn(hana.username, PASSWORD) });
    expect(body['fullname']).toBe('Hana Sató');

    await page.fill('#new-conversation [name=username]', name);
    await page.click('#new-conversation button');
    await expect.poll(() => other.locator('#conversations option').count()).toBe(1);
    await page.fill('#send [name=content]', '<b>The lanterns are up.</b>');
    await page.click('#send button');
    const lines = [`${hana.username}: <b>The lanterns are up.</b>`];
    await expect.poll(() => other.locator('#messages li').allTextContents()).toEqual(lines);
    await other.fill('#send [name=content]', 'On my way.');
    await other.click('#send button');
    lines.push(`${name}: On my way.`);
    await expect.poll(() => page.locator('#messages li').allTextContents()).toEqual(lines);
    expect(faults).toEqual([]);
    await Promise.all([first.close(), second.close()]);
  });

  it('the example keeps a message that is being written in its conversation, and one that is refused', async () => {
    const [first, second] = [await browser.newContext(), await browser.newContext()];
    const [page, other] = [await openPage(first), await openPage(second)];
    const [mei, ren] = [await t.user(), await t.user()];
    await signIn(page, mei.username);
    await signIn(other, ren.username);
    const converse = async (from: Page, { username }: SignedInUser): Promise<void> => {
      await from.fill('#new-conversation [name=username]', username);
      await from.click('#new-conversation button');
    };
    const options = page.locator('#conversations option');

    await page.fill('#send [name=content]', 'to no conversation');
    await page.click('#send button');
    expect(await page.inputValue('#send [name=content]')).toBe('to no conversation');
    await converse(page, ren);
    await expect.poll(() => options.count()).toBe(1);
    const chosen = await page.inputValue('#conversations');
    await page.fill('#send [name=content]', 'only for the first one');
    await converse(other, mei);
    await expect.poll(() => options.count()).toBe(2);
    expect(await page.inputValue('#conversations')).toBe(chosen);

    await t.request('PUT', `/api/chat/blocks/${mei.username}`, { token: ren.token });
    await page.click('#send button');
    await page.waitForSelector('#error:not([hidden])');
    expect(await page.inputValue('#send [name=content]')).toBe('only for the first one');
    await Promise.all([first.close(), second.close()]);
  });

  it('the example lets the next user turn pushes on, moves the focus, and takes the same file twice', async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    const focus = (): Promise<string> => page.evaluate('document.activeElement.id || document.activeElement.name');
    await signIn(page, hana.username);
    await expect.poll(focus).toBe('signed-in');
    await page.evaluate("document.getElementById('push').disabled = true"); // as after turning them on
    const file = { name: 'a.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture') };
    for (let i = 0; i < 2; i++) {
      const refused = page.waitForResponse((response) => response.request().method() === 'PUT');
      await page.setInputFiles('#file', file);
      expect((await refused).status()).toBe(415);
      await expect.poll(() => page.inputValue('#file')).toBe('');
    }
    await page.click('#sign-out');
    await page.waitForSelector('#signed-out:not([hidden])');
    const user = await twoFactorUser(t);
    await page.fill('#sign-in [name=login]', user.username);
    await page.fill('#sign-in [name=password]', PASSWORD);
    await page.press('#sign-in [name=password]', 'Enter');
    await expect.poll(focus).toBe('code');
    t.clock.advance(30_000); // the code of before is used
    await page.fill('#sign-in [name=code]', codeAt(user.secret, t.clock.now()));
    await page.press('#sign-in [name=code]', 'Enter');
    await page.waitForSelector('#signed-in:not([hidden])');
    expect(await page.isEnabled('#push')).toBe(true);
    t.clock.run();
    await context.close();
  });

  it('the example keeps its session in a cookie over a reload, and all tabs sign out together', async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    await signIn(page, hana.username);
    await page.reload();
    await page.waitForSelector('#signed-in:not([hidden])');
    const readable = await page.evaluate('document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })');
    expect(readable).toBe('{}');
    const tab = await openPage(context);
    await tab.waitForSelector('#signed-in:not([hidden])');
    await tab.click('#sign-out');
    for (const each of [page, tab]) await each.waitForSelector('#signed-out:not([hidden])');
    expect(faults).toEqual([]);
    await context.close();
  });

  it('the example lists the devices, registers its service worker, and that shows pushes', async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    await signIn(page, hana.username);
    await expect
      .poll(() => page.locator('#devices li').allTextContents())
      .toContainEqual(expect.stringContaining('this one'));
    await page.click('#push');
    await page.waitForSelector('#error:not([hidden])'); // this browser has no push service
    await context.grantPermissions(['notifications']);
    const { origin } = new URL(t.url);
    const devTools = await context.newCDPSession(page);
    const registered = new Promise<string>((resolve) => {
      devTools.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
        const active = versions.find(({ status }) => status === 'activated');
        if (active) resolve(active.registrationId);
      });
    });
    await devTools.send('ServiceWorker.enable');
    const content = { conversation_id: 7, conversation_name: 'Lanterns', sender_username: 'ren', text: 'They are up.' };
    const data = JSON.stringify({ type: 'message', message_id: 1, ...content });
    await devTools.send('ServiceWorker.deliverPushMessage', { origin, registrationId: await registered, data });
    const shown = () =>
      page.evaluate(async () => {
        const registration = await navigator.serviceWorker.ready;
        return (await registration.getNotifications()).map(({ title, body }) => `${title}: ${body}`);
      });
    await expect.poll(shown).toEqual(['Lanterns: ren: They are up.']);
    await context.close();
  });

  it('the example shows the reason of a refused sign-in', async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    await page.fill('#sign-in [name=login]', hana.username);
    await page.fill('#sign-in [name=password]', 'wrong');
    await page.click('#sign-in button');
    await page.waitForSelector('#error:not([hidden])');
    expect(await page.textContent('#error')).toMatch(/password/);
    await context.close();
  });

  it('two tabs with many calls refresh an expired token once', async () => {
    const context = await browser.newContext();
    const pages = [await openPage(context), await openPage(context)];
    await makeClient(pages[0]!, hana);
    await makeClient(pages[1]!);
    const refreshes: string[] = [];
    context.on('request', (request) => request.url().endsWith('/sessions/refresh') && refreshes.push(request.url()));
    t.clock.advance(15 * 60_000 + 1000);
    const ids = await Promise.all(
      pages.map((page) =>
        page.evaluate(async () => {
          const users = await Promise.all(Array.from({ length: 5 }, () => window.machi.api.getMe()));
          return users.map(({ id }) => id);
        }),
      ),
    );
    t.clock.run();
    expect(ids.flat()).toEqual(Array(10).fill(hana.id));
    expect(refreshes).toHaveLength(1);
    await context.close();
  });

  it('an upload reports its progress and can be cancelled', async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    await makeClient(page, hana);
    const bytes = [...(await jpegOf(400_000, 5))];
    const result = await page.evaluate(async (values) => {
      const body = { avatar: new Blob([new Uint8Array(values)], { type: 'image/jpeg' }) };
      const shares: number[] = [];
      const onProgress = ({ loaded, total }: Client.Progress) => shares.push(loaded / total);
      const { state } = await window.machi.api.uploadAvatar({ body, onProgress });
      const controller = new AbortController();
      const upload = window.machi.api.uploadAvatar({ body, onProgress, signal: controller.signal });
      controller.abort();
      const cancelled = await upload.catch((error: Error) => error.name);
      return { shares, state, cancelled };
    }, bytes);
    expect([result.state, result.cancelled, result.shares.at(-1)]).toEqual(['pending', 'AbortError', 1]);
    await context.close();
  });

  it('the chat receives what was sent while its connection was lost', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: t.port } as never);
    const context = await browser.newContext();
    const page = await openPage(context, `http://127.0.0.1:${proxy.connection.port}`);
    await makeClient(page, hana);
    const conversation = await page.evaluate(async () => {
      window.seen = [];
      window.chat = window.machi.chat();
      window.chat.connect();
      const { id } = await window.chat.request('create_conversation', { members: [], name: 'Notes' });
      window.chat.subscribe(id, ({ content }) => window.seen.push(content));
      await window.chat.send(id, 'before');
      return id;
    });
    proxy.cut();
    const other = await openPage(context); // another tab, which is not cut off
    await makeClient(other, hana);
    await other.evaluate(async (id) => {
      const chat = window.machi.chat();
      chat.connect();
      await chat.send(id, 'meanwhile');
      chat.close();
    }, conversation);
    const queued = page.evaluate(async (id) => (await window.chat.send(id, 'queued')).content, conversation);
    proxy.restore();
    expect(await queued).toBe('queued');
    await expect.poll(() => page.evaluate(() => window.seen)).toEqual(['before', 'meanwhile', 'queued']);
    await context.close();
    proxy.stop();
  });
});
