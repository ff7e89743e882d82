import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import { imageFile } from '../../../test/support/files/images.js';
import { projectsWorld } from '../../../test/support/projects/projects.js';
import { startProxy } from '../../../test/support/servers/tcp-proxy.js';
import type * as Client from '../dist/index.js';
import { chromiumPath, launchChromium, makeClient, openExample } from './chromium.js';

/** What the functions that run in the page see. */
declare const window: {
  machi: Client.MachiClient;
  chat: Client.ChatClient;
  following: Client.Following;
  /** What was received, in order. */
  seen: unknown[];
};

describe.skipIf(chromiumPath === undefined)('the chat in Chromium', () => {
  let t: TestApp;
  let browser: Browser;
  let contexts: BrowserContext[];
  let hana: SignedInUser;
  let ren: SignedInUser;

  beforeAll(async () => {
    [t, browser] = await Promise.all([startApp({ env: { NODE_ENV: 'development' } }), launchChromium()]);
  });
  beforeEach(async () => {
    contexts = [];
    [hana, ren] = [await t.user(), await t.user()];
  });
  afterEach(() => Promise.all(contexts.map((context) => context.close())));
  afterAll(async () => {
    await browser?.close();
    await t.stop();
  });

  /** A window of the user, whose chat is connected. */
  async function openChat(user: SignedInUser, base = t.url): Promise<Page> {
    const context = await browser.newContext();
    contexts.push(context);
    const page = await openExample(context, base);
    await makeClient(page, user);
    await page.evaluate(async () => {
      window.seen = [];
      window.chat = window.machi.chat();
      window.chat.connect();
      await window.chat.request('ping', {});
    });
    return page;
  }

  const converse = (page: Page, { username }: SignedInUser): Promise<number> =>
    page.evaluate(
      async (name) => (await window.chat.request('create_conversation', { members: [name], name: 'Harbour' })).id,
      username,
    );

  /** Follows all conversations from their present end on. */
  const follow = (page: Page): Promise<void> =>
    page.evaluate(async () => {
      const cursors: Client.ChatCursor[] = [];
      for await (const { id, revision, last_message } of window.chat.conversations())
        cursors.push({ conversation_id: id, revision, message_id: last_message?.id ?? 0 });
      window.following = window.chat.follow(cursors, ({ kind, message, content, emoji }) =>
        window.seen.push([kind, message?.content ?? content ?? emoji]),
      );
    });

  const seenBy = (page: Page): Promise<unknown[]> => page.evaluate(() => window.seen);

  it('a followed conversation shows messages, edits, reactions and deletions of another window in order', async () => {
    const [first, second] = [await openChat(hana), await openChat(ren)];
    const id = await converse(first, ren);
    await follow(second);
    await first.evaluate(async (conversation_id) => {
      const { chat } = window;
      const { id: message_id } = await chat.send(conversation_id, 'The lantern is up.');
      await chat.request('edit_message', { conversation_id, message_id, content: 'The lanterns are up.' });
      await chat.request('react', { conversation_id, message_id, emoji: '🎉' });
      const { id: later } = await chat.send(conversation_id, 'Wrong window.');
      await chat.request('delete_message', { conversation_id, message_id: later });
    }, id);
    await expect
      .poll(() => seenBy(second))
      .toEqual(
        [
          ['message', 'The lantern is up.'],
          ['message_edited', 'The lanterns are up.'],
          ['reaction', '🎉'],
          ['message', 'Wrong window.'],
          ['message_deleted', undefined],
        ].map(([kind, text]) => [kind, text ?? null]),
      );
    const found = await second.evaluate(
      async (conversation_id) =>
        (await window.chat.request('search_messages', { conversation_id, query: 'lantern' })).messages,
      id,
    );
    expect(found).toMatchObject([{ content: 'The lanterns are up.', reactions: [{ emoji: '🎉', count: 1 }] }]);
  });

  it('unread counts, read positions and typing reach the other window', async () => {
    const [first, second] = [await openChat(hana), await openChat(ren)];
    const id = await converse(first, ren);
    await first.evaluate(async (conversation) => {
      for (const type of ['user_typing', 'message_read'] as const)
        window.chat.on(type, ({ username }) => window.seen.push([type, username]));
      for (const content of ['one', 'two']) await window.chat.send(conversation, content);
    }, id);
    const counts = await second.evaluate(async (conversation_id) => {
      const unread: number[] = [];
      const list = async (): Promise<number> => {
        for await (const each of window.chat.conversations()) {
          if (each.id !== conversation_id) continue;
          unread.push(each.unread_count);
          return each.last_message!.id;
        }
        throw new Error('not listed');
      };
      const message_id = await list();
      await window.chat.request('typing', { conversation_id });
      await window.chat.request('mark_read', { conversation_id, message_id });
      await list();
      return unread;
    }, id);
    expect(counts).toEqual([2, 0]);
    await expect
      .poll(() => seenBy(first))
      .toEqual([
        ['user_typing', ren.username],
        ['message_read', ren.username],
      ]);
  });

  it('a followed conversation misses nothing while the connection is lost', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: t.port } as never);
    const [first, second] = [await openChat(hana), await openChat(ren, `http://127.0.0.1:${proxy.connection.port}`)];
    const id = await converse(first, ren);
    await follow(second);
    proxy.cut();
    await first.evaluate(async (conversation_id) => {
      const { id: message_id } = await window.chat.send(conversation_id, 'draft');
      await window.chat.request('edit_message', { conversation_id, message_id, content: 'final' });
      await window.chat.request('rename', { conversation_id, name: 'Harbour festival' });
    }, id);
    proxy.restore();
    await expect
      .poll(async () => (await seenBy(second)).map((event) => (event as string[])[0]))
      .toEqual(['message', 'message_edited', 'renamed']);
    const cursors = await second.evaluate(() => window.following.cursors);
    expect(cursors).toMatchObject([{ conversation_id: id, message_id: expect.any(Number) }]);
    proxy.stop();
  });

  it('pages of a chapter are uploaded with progress, and the chat reports their commit', async () => {
    const world = await projectsWorld(t);
    const { id: project_id } = await world.project();
    const pages = await Promise.all([1, 2].map(async (seed) => [...(await imageFile(seed))]));
    const page = await openChat(world.uploader);
    const result = await page.evaluate(
      async ([project, images]) => {
        window.chat.on('upload_progress', ({ state, done, total }) => window.seen.push([state, done, total]));
        await window.chat.request('watch_uploads', {});
        const { api } = window.machi;
        const { id } = await api.startUpload({ body: { project_id: project } });
        const shares: number[] = [];
        const files = images.map((bytes, i) => new File([new Uint8Array(bytes)], `${i + 1}.jpg`));
        const { version, files: added } = await api.addUploadFiles({
          path: { id },
          body: { files },
          onProgress: ({ loaded, total }) => shares.push(loaded / total),
        });
        await api.commitUpload({ path: { id }, body: { version, chapter: { number: '1', language: 'en' } } });
        return { names: added.map(({ name }) => name), last: shares.at(-1) };
      },
      [project_id, pages] as const,
    );
    expect(result).toEqual({ names: ['1.jpg', '2.jpg'], last: 1 });
    await expect.poll(async () => (await seenBy(page)).at(-1)).toEqual(['committed', 2, 2]);
  });
});
