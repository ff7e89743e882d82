import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_VARIANTS } from '../../src/images/image-jobs.js';
import { PageFilesWorker } from '../../src/projects/pages/page-files.worker.js';
import { Storage } from '../../src/storage/storage.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { get, imageFile, scene } from '../support/files/images.js';
import { projectsWorld } from '../support/projects/projects.js';

const MINUTE_MS = 60_000;

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let viewer: SignedInUser;
let projectId: string;
let large: Buffer; // more than what is kept in memory
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
  world = await projectsWorld(t);
  viewer = await t.user('view_hidden');
  projectId = (await world.project()).id;
  large = await sharp({
    create: {
      width: 900,
      height: 900,
      channels: 3,
      background: '#777',
      noise: { type: 'gaussian', mean: 120, sigma: 60 },
    },
  })
    .png()
    .toBuffer();
});
afterAll(() => t.stop());

/** A chapter with pages, and what a reader gets as their addresses. */
async function chapterWithPages(files: Buffer[], fields: Record<string, unknown> = {}) {
  const chapter = await world.chapter(projectId, fields);
  const ids = await world.addPages(chapter.id, files);
  return { id: chapter.id, ids };
}

const urlsFor = async (chapterId: string, token?: string): Promise<string[]> => {
  const { body } = await t.request('GET', `/api/chapters/${chapterId}` as '/api/chapters/{}', { token });
  return body.pages.map(({ images }) => images.reader);
};

const hide = async (chapterId: string, is_hidden = true): Promise<void> => {
  const token = await t.asAdmin();
  const { body } = await t.request('GET', `/api/chapters/${chapterId}` as '/api/chapters/{}', { token });
  const { status } = await t.request('PATCH', `/api/chapters/${chapterId}`, {
    token,
    body: { version: body.version, is_hidden },
  });
  expect(status).toBe(200);
};

describe('GET /api/pages/:id/image', () => {
  it('sends each variant with its type, a strong entity tag, nosniff, and a day for caches', async () => {
    const file = await scene(1, 2000, 300).png().toBuffer();
    const { ids } = await chapterWithPages([file]);
    const found = await Promise.all(
      PAGE_VARIANTS.map((variant) => get(t, `/api/pages/${ids[0]}/image?variant=${variant}`)),
    );
    const widths = await Promise.all(found.map(async ({ bytes }) => (await sharp(bytes).metadata()).width));
    expect(widths).toEqual([2000, 1600, 960, 256]);
    for (const [i, { status, headers }] of found.entries()) {
      expect([status, headers.get('content-type'), headers.get('etag'), headers.get('cache-control')]).toEqual([
        200,
        ['image/png', 'image/webp', 'image/webp', 'image/jpeg'][i],
        `"${ids[0]}-${PAGE_VARIANTS[i]}"`,
        'public, max-age=86400',
      ]);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    }
    expect((await get(t, `/api/pages/${ids[0]}/image`)).headers.get('etag')).toBe(`"${ids[0]}-reader"`);
  });

  it('answers conditional requests, single ranges and HEAD, for files from memory and in pieces', async () => {
    const { ids } = await chapterWithPages([large]);
    expect(large.length).toBeGreaterThan(1024 * 1024);
    for (const variant of ['original', 'thumbnail']) {
      const url = `/api/pages/${ids[0]}/image?variant=${variant}`;
      const { bytes, headers } = await get(t, url);
      expect(headers.get('content-length')).toBe(String(bytes.length));
      if (variant === 'original')
        expect((await sharp(bytes).raw().toBuffer()).equals(await sharp(large).raw().toBuffer())).toBe(true);
      const etag = headers.get('etag')!;
      expect((await get(t, url, undefined, { 'if-none-match': etag })).status).toBe(304);
      expect((await get(t, url, undefined, { 'if-none-match': '"other"' })).status).toBe(200);
      for (const [range, start, end] of [
        ['bytes=0-0', 0, 0],
        ['bytes=10-19', 10, 19],
        ['bytes=-5', bytes.length - 5, bytes.length - 1],
        ['bytes=-999999999', 0, bytes.length - 1],
        [`bytes=${bytes.length - 10}-999999999`, bytes.length - 10, bytes.length - 1],
      ] as const) {
        const part = await get(t, url, undefined, { range });
        expect([part.status, part.headers.get('content-range')]).toEqual([
          206,
          `bytes ${start}-${end}/${bytes.length}`,
        ]);
        expect(part.bytes.equals(bytes.subarray(start, end + 1))).toBe(true);
      }
      const beyond = await get(t, url, undefined, { range: `bytes=${bytes.length}-` });
      expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
      const several = await get(t, url, undefined, { range: 'bytes=0-1,5-6' });
      expect([several.status, several.bytes.length]).toEqual([200, bytes.length]);
      const head = await t.request('HEAD', url);
      expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(bytes.length)]);
    }
  });

  it('answers 404 for an unknown page, 400 for an id that is none, and 422 for another variant or a malformed token', async () => {
    const at = async (path: string) => {
      const { status, body } = await get(t, path);
      return `${status} ${body['code']}`;
    };
    expect(await at(`/api/pages/${randomUUID()}/image`)).toBe('404 page_not_found');
    expect(await at('/api/pages/..%2f..%2fetc%2fpasswd/image')).toBe('400 invalid_id');
    for (const query of [
      'variant=huge',
      'variant=original&variant=reader',
      'variant=../original',
      'token=a.b',
      'token=',
      'x=1',
    ]) {
      expect([query, await at(`/api/pages/${randomUUID()}/image?${query}`)]).toEqual([
        query,
        expect.stringMatching(/^4\d\d validation_failed$/),
      ]);
    }
  });
});

describe('the addresses of images that not everyone sees', () => {
  it('contain a token, work without credentials, and let nobody keep the image', async () => {
    const { id } = await chapterWithPages([await imageFile(2)], { is_hidden: true });
    const [url] = await urlsFor(id, viewer.token);
    expect(url).toContain('&token=');
    const { status, headers } = await get(t, url!);
    expect([status, headers.get('cache-control')]).toEqual([200, 'private, no-store']);
    expect((await get(t, url!.replace(/&token=.*/, ''))).status).toBe(404);
    const [publicUrl] = await urlsFor((await chapterWithPages([await imageFile(3)])).id, viewer.token);
    expect(publicUrl).not.toContain('token');
  });

  it('end after at most 15 minutes, and live for at least 10', async () => {
    const { id } = await chapterWithPages([await imageFile(4)], { is_hidden: true });
    for (const offset of [0, 1, 4, 2]) {
      t.clock.advance(offset * MINUTE_MS);
      const [url] = await urlsFor(id, viewer.token);
      t.clock.advance(10 * MINUTE_MS - 1000);
      expect((await get(t, url!)).status).toBe(200);
      t.clock.advance(5 * MINUTE_MS + 1000);
      expect((await get(t, url!)).status).toBe(404);
    }
  });

  it('follow the rights of their reader as of now: a right taken away, a session that ends and a deactivation end them', async () => {
    const { id } = await chapterWithPages([await imageFile(5)], { is_hidden: true });
    const admin = await t.asAdmin();
    const statusAfter = async (change: (reader: SignedInUser) => Promise<unknown>) => {
      const reader = await t.user('view_hidden');
      const [url] = await urlsFor(id, reader.token);
      expect((await get(t, url!)).status).toBe(200);
      await change(reader);
      const answer = await get(t, url!, undefined, { 'if-none-match': '*' });
      return answer.status;
    };
    expect(
      await statusAfter((reader) => t.dataSource.query('delete from group_members where user_id = $1', [reader.id])),
    ).toBe(404);
    expect(await statusAfter((reader) => t.request('DELETE', '/api/sessions/current', { token: reader.token }))).toBe(
      404,
    );
    expect(
      await statusAfter((reader) =>
        t.request('PATCH', `/api/users/${reader.id}`, { token: admin, body: { is_active: false } }),
      ),
    ).toBe(404);
  });

  it('do not outlive a hide, and follow the clock to the release', async () => {
    const release_at = new Date(t.clock.now() + 5 * MINUTE_MS);
    const { id } = await chapterWithPages([await imageFile(6)], { release_at });
    const [url] = await urlsFor(id, world.uploader.token);
    const plain = url!.replace(/&token=.*/, '');
    expect([(await get(t, url!)).status, (await get(t, plain)).status]).toEqual([200, 404]);
    t.clock.advance(5 * MINUTE_MS);
    const released = await get(t, plain);
    expect([released.status, released.headers.get('cache-control')]).toEqual([200, 'public, max-age=86400']);
    const etag = released.headers.get('etag')!;
    await hide(id);
    const conditions: Record<string, string>[] = [
      {},
      { 'if-none-match': etag },
      { 'if-none-match': '*' },
      { range: 'bytes=0-1', 'if-range': etag },
    ];
    for (const headers of conditions) {
      expect((await get(t, plain, undefined, headers)).status).toBe(404);
    }
    expect((await get(t, url!)).status).toBe(200); // an own upload
  });

  it('are of no use for another chapter, with a changed token, or with the token of another server', async () => {
    const first = await chapterWithPages([await imageFile(7)], { is_hidden: true });
    const other = await chapterWithPages([await imageFile(8)], { is_hidden: true });
    const reader = await t.user('view_hidden');
    const [url] = await urlsFor(first.id, reader.token);
    const token = new URL(url!, t.url).searchParams.get('token')!;
    const at = async (page: string, value: string) => (await get(t, `/api/pages/${page}/image?token=${value}`)).status;
    expect(await at(first.ids[0]!, token)).toBe(200);
    expect(await at(other.ids[0]!, token)).toBe(404);
    const bytes = Buffer.from(token, 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1;
      expect([i, await at(first.ids[0]!, changed.toString('base64url'))]).toEqual([i, 404]);
    }
    for (const value of [token.slice(0, -2), `${token}AA`, 'A'.repeat(71), 'A'])
      expect(await at(first.ids[0]!, value)).toBe(404);
  });

  it('come from a feed token as well, and end with it', async () => {
    const { id } = await chapterWithPages([await imageFile(9)], { is_hidden: true });
    const reader = await t.user('view_hidden');
    const created = await t.request('POST', '/api/me/feed-tokens', { token: reader.token, body: { name: 'tablet' } });
    const headers = { authorization: `Basic ${Buffer.from(`x:${created.body.token}`).toString('base64')}` };
    const { body } = await t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}', { headers });
    const url = body.pages[0]!.images.reader;
    expect((await get(t, url)).status).toBe(200);
    expect((await get(t, url.replace(/&token=.*/, ''), undefined, headers)).status).toBe(200);
    await t.request('DELETE', `/api/me/feed-tokens/${created.body.id}`, { token: reader.token });
    expect((await get(t, url)).status).toBe(404);
  });
});

describe('PUT /api/chapters/:id/pages/order', () => {
  const order = (id: string, body: object, { token } = world.uploader) =>
    t.request('PUT', `/api/chapters/${id}/pages/order` as '/api/chapters/{}/pages/order', { token, body });
  const version = async (id: string) =>
    (await t.dataSource.query<{ version: number }[]>('select version from chapters where id = $1', [id]))[0]!.version;

  it('puts the pages in another order and increases the version', async () => {
    const { id, ids } = await chapterWithPages(await Promise.all([10, 11, 12].map((seed) => imageFile(seed))));
    const before = await version(id);
    const answer = await order(id, { version: before, page_ids: [ids[2]!.toUpperCase(), ids[0], ids[1]] });
    expect([answer.status, answer.body.version]).toEqual([200, before + 1]);
    expect(answer.body.pages.map((page) => page.id)).toEqual([ids[2], ids[0], ids[1]]);
    expect(await urlsFor(id)).toEqual(
      [ids[2], ids[0], ids[1]].map((page) => `/api/pages/${page}/image?variant=reader`),
    );
  });

  it('refuses missing, doubled and foreign pages, an old version, and callers without the permission', async () => {
    const { id, ids } = await chapterWithPages(await Promise.all([13, 14].map((seed) => imageFile(seed))));
    const foreign = (await chapterWithPages([await imageFile(15)])).ids[0]!;
    const current = await version(id);
    const [a, b] = ids as [string, string];
    for (const page_ids of [[], [a], [a, a], [a, foreign], [a, b, foreign], [a, b, b]]) {
      const { status, body } = await order(id, { version: current, page_ids });
      expect([status, body]).toMatchObject([422, { code: 'pages_differ' }]);
    }
    expect((await order(id, { version: current - 1, page_ids: [b, a] })).body).toMatchObject({
      code: 'version_conflict',
    });
    expect((await order(id, { page_ids: [b, a] })).body).toMatchObject({ code: 'version_required' });
    expect((await order(id, { version: current, page_ids: [b, a] }, world.manager)).status).toBe(403);
    expect(await version(id)).toBe(current);
  });

  it('lets one of two changes of the same version win, and keeps each page once', async () => {
    await t.warmUp();
    const { id, ids } = await chapterWithPages(await Promise.all([16, 17, 18].map((seed) => imageFile(seed))));
    const current = await version(id);
    const orders = [
      [2, 1, 0],
      [1, 2, 0],
      [0, 2, 1],
      [1, 0, 2],
    ].map((places) => places.map((i) => ids[i]!));
    const { token } = world.uploader;
    const answers = await Promise.all(
      orders.map((page_ids) =>
        t.request('PUT', `/api/chapters/${id}/pages/order`, { token, body: { version: current, page_ids } }),
      ),
    );
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '412', '412', '412']);
    const rows = await t.dataSource.query<{ id: string }[]>(
      'select id from pages where chapter_id = $1 order by position',
      [id],
    );
    expect(rows.map((row) => row.id)).toEqual(orders[answers.findIndex(({ status }) => status === 200)]);
    expect(await version(id)).toBe(current + 1);
  });
});

describe('files of pages', () => {
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of t.app.get(Storage, { strict: false }).list('pages/')) found.push(key);
    return found;
  };

  it('are deleted after their chapter, their project, or a crash before their row', async () => {
    const worker = t.app.get(PageFilesWorker, { strict: false });
    t.clock.set(Date.now());
    await worker.deleteRemovedFiles();
    const before = await keys();
    const file = await imageFile(19);
    const other = await world.project();
    const removed = await world.chapter(projectId);
    const ofProject = await world.chapter(other.id);
    await world.addPages(removed.id, [file, file]);
    await world.addPages(ofProject.id, [file]);
    const { PagesService } = await import('../../src/projects/pages/pages.service.js');
    await t.app.get(PagesService, { strict: false }).store([file]); // gets no row
    expect((await keys()).length).toBe(before.length + 16);
    const admin = await t.asAdmin();
    const { body } = await t.request('GET', `/api/chapters/${removed.id}` as '/api/chapters/{}', { token: admin });
    expect(
      (await t.request('DELETE', `/api/chapters/${removed.id}?version=${body.version}`, { token: admin })).status,
    ).toBe(204);
    expect((await t.request('DELETE', `/api/projects/${other.id}?version=1`, { token: admin })).status).toBe(204);
    await worker.deleteRemovedFiles();
    expect((await keys()).length).toBe(before.length + 4);
    await worker.sweep();
    expect((await keys()).length).toBe(before.length + 4); // may still get a row
    t.clock.set(Date.now() + 2 * 3_600_000);
    await worker.sweep();
    expect((await keys()).toSorted()).toEqual(before.toSorted());
  });
});
