import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let reader: SignedInUser;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '30d', REFRESH_TOKEN_TTL: '30d', SESSION_MAX_AGE: '30d' } });
  world = await projectsWorld(t);
});
beforeEach(async () => {
  reader = await t.user();
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';
const HOUR_MS = 3_600_000;

const as = <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
  t.request(method, path, { token: reader.token, body });

const at = (ms: number) => new Date(ms).toISOString();

const put = (chapterId: string, body: object) =>
  as('PUT', `/api/chapters/${chapterId}/progress` as '/api/chapters/{}/progress', body);

/** A followed project with so many published chapters, of three pages each. */
async function followed(count: number) {
  const project = await world.project();
  const chapters = [];
  for (let i = 1; i <= count; i++) chapters.push(await world.chapter(project.id, { number: String(i) }));
  await as('PUT', `/api/projects/${project.id}/follow`);
  return { project, chapters };
}

describe('following', () => {
  it('lists the projects that the caller follows with their unread chapters, newest first', async () => {
    const [one, two] = [await followed(3), await followed(1)];
    await put(one.chapters[0]!.id, { page: 3 });
    await put(one.chapters[1]!.id, { page: 2 });
    const { body } = await as('GET', '/api/me/follows');
    expect(body.items.map(({ project, unread_count }) => [project.id, unread_count])).toEqual([
      [two.project.id, 1],
      [one.project.id, 2],
    ]);
    expect(body.items[1]!.project.chapter_count).toBe(3);
    const first = await as('GET', '/api/me/follows?limit=1');
    const second = await as('GET', `/api/me/follows?limit=1&cursor=${first.body.next_cursor}`);
    expect(second.body.items.map(({ project }) => project.id)).toEqual([one.project.id]);
    expect(second.body.next_cursor).toBeNull();
  });

  it('follows once, by slug too, also when 20 requests do it at once, and stops', async () => {
    const { slug } = await world.project();
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => as('PUT', `/api/projects/${slug}/follow`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    expect((await as('GET', '/api/me/follows')).body.items).toHaveLength(1);
    for (let i = 0; i < 2; i++) expect((await as('DELETE', `/api/projects/${slug}/follow`)).status).toBe(204);
    expect((await as('GET', '/api/me/follows')).body.items).toEqual([]);
    expect((await as('PUT', `/api/projects/${UNKNOWN_ID}/follow`)).body['code']).toBe('project_not_found');
  });

  it('keeps favourites apart from followed projects', async () => {
    const { id } = await world.project();
    await as('PUT', `/api/projects/${id}/favourite`);
    expect((await as('GET', '/api/me/favourites')).body.items.map(({ project }) => project.id)).toEqual([id]);
    expect((await as('GET', '/api/me/follows')).body.items).toEqual([]);
    await as('DELETE', `/api/projects/${id}/favourite`);
    expect((await as('GET', '/api/me/favourites')).body.items).toEqual([]);
  });

  it('puts the latest chapters of followed projects into the feed, and filters the read ones', async () => {
    const { chapters } = await followed(3);
    await world.chapter((await world.project()).id);
    await put(chapters[2]!.id, { page: 3 });
    const idsOf = async (query: string) =>
      (await as('GET', `/api/me/feed${query}` as '/api/me/feed')).body.items.map(({ chapter }) => chapter.id);
    const [one, two, three] = chapters.map(({ id }) => id);
    expect(await idsOf('')).toEqual([three, two, one]);
    expect(await idsOf('?is_read=false')).toEqual([two, one]);
    expect(await idsOf('?is_read=true')).toEqual([three]);
    expect(await idsOf('?language=de')).toEqual([]);
    const { body } = await as('GET', '/api/me/feed?limit=2');
    expect(body.items[0]!.progress).toMatchObject({ page: 3, is_read: true });
    expect(await idsOf(`?limit=2&cursor=${body.next_cursor}`)).toEqual([one]);
  });
});

describe('progress', () => {
  it('stores the page, marks the last page as read, and keeps pages within the chapter', async () => {
    const { id } = await world.chapter((await world.project()).id);
    const path = `/api/chapters/${id}/progress` as '/api/chapters/{}/progress';
    expect((await as('GET', path)).body).toEqual({ chapter_id: id, page: 0, is_read: false, changed_at: null });
    expect((await put(id, { page: 2 })).body).toMatchObject({ chapter_id: id, page: 2, is_read: false });
    expect((await put(id, { page: 99 })).body).toMatchObject({ page: 3, is_read: true });
    expect((await put(id, { page: 1, is_read: true })).body).toMatchObject({ page: 1, is_read: true });
    expect((await put(id, { is_read: false })).body).toMatchObject({ page: 0, is_read: false });
    expect((await put(id, { is_read: true })).body).toMatchObject({ page: 3, is_read: true });
    expect((await as('GET', path)).body).toMatchObject({ page: 3, is_read: true });
  });

  it('of several devices merges by time, in whatever order and however often changes arrive', async () => {
    const now = t.clock.now();
    const project = await world.project();
    const [one, two] = [await world.chapter(project.id), await world.chapter(project.id)];
    const changes = [
      { chapter_id: one.id, page: 1, changed_at: at(now - 3000) },
      { chapter_id: one.id.toUpperCase(), page: 2, changed_at: at(now - 1000) },
      { chapter_id: one.id, page: 3, changed_at: at(now - 2000) },
      { chapter_id: two.id, page: 2, changed_at: at(now - 1000) },
      { chapter_id: UNKNOWN_ID, page: 2 },
    ];
    const orders = [changes, changes.toReversed(), [changes[1]!, changes[0]!, changes[3]!, changes[2]!]];
    const expected = [
      { chapter_id: one.id, page: 2, is_read: false, changed_at: at(now - 1000) },
      { chapter_id: two.id, page: 2, is_read: false, changed_at: at(now - 1000) },
    ];
    for (const order of orders) {
      const { status, body } = await as('POST', '/api/me/progress', { changes: order });
      expect(status).toBe(200);
      expect(body.items.toSorted((a, b) => (a.chapter_id < b.chapter_id ? -1 : 1))).toEqual(expected);
    }
    for (const change of changes.slice(0, 3)) await put(one.id, { page: change.page, changed_at: change.changed_at });
    expect((await as('GET', `/api/chapters/${one.id}/progress`)).body).toMatchObject({ page: 2 });
  });

  it('keeps the newest change when 20 devices send theirs at once', async () => {
    const now = t.clock.now();
    const project = await world.project();
    const chapters = [
      await world.chapter(project.id),
      await world.chapter(project.id),
      await world.chapter(project.id),
    ];
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const changes = chapters.map(({ id }) => ({
          chapter_id: id,
          page: 1 + (i % 2),
          changed_at: at(now - i * 1000),
        }));
        return as('POST', '/api/me/progress', { changes: i % 2 ? changes : changes.toReversed() });
      }),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    for (const { id } of chapters) {
      expect((await as('GET', `/api/chapters/${id}/progress`)).body).toMatchObject({ page: 1, changed_at: at(now) });
    }
  });

  it('that arrives while the account is being deleted does not block the deletion', async () => {
    const { chapters } = await followed(2);
    const [one, two] = chapters.map(({ id }) => id) as [string, string];
    await put(one, { page: 1 });
    const changes = [one, two].map((chapter_id) => ({ chapter_id, page: 2 }));
    const sent = await t.dataSource.transaction(async (manager) => {
      await manager.query('select from users where id = $1 for update', [reader.id]); // as the deletion does
      const answer = as('POST', '/api/me/progress', { changes });
      const blocked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await expect.poll(() => t.dataSource.query(blocked)).toHaveLength(1);
      await manager.query('delete from users where id = $1', [reader.id]);
      return { answer };
    });
    expect((await sent.answer).body).toEqual({ items: [] });
  });

  it('of a device whose clock is fast does not outlast later changes', async () => {
    const { id } = await world.chapter((await world.project()).id);
    const fast = await put(id, { page: 1, changed_at: at(t.clock.now() + 1000 * HOUR_MS) });
    expect(Date.parse(fast.body.changed_at!)).toBeLessThanOrEqual(t.clock.now());
    t.clock.advance(1000);
    expect((await put(id, { page: 2 })).body.page).toBe(2);
    t.clock.run();
  });

  it('of one user is not visible to another', async () => {
    const { id } = await world.chapter((await world.project()).id);
    await put(id, { page: 2 });
    const other = await t.user();
    const { body } = await t.request('GET', `/api/chapters/${id}/progress`, { token: other.token });
    expect(body).toMatchObject({ page: 0, changed_at: null });
    expect((await t.request('GET', '/api/me/history', { token: other.token })).body.items).toEqual([]);
  });

  it.each([
    { page: -1 },
    { page: 1.5 },
    { page: '2' },
    { page: null },
    { is_read: 1 },
    { changed_at: 'now' },
    { at: 1 },
  ])('answers 422 for %j', async (body) => {
    const { id } = await world.chapter((await world.project()).id);
    expect((await put(id, body)).status).toBe(422);
  });

  it('answers 422 for more than 200 changes and for none, and 404 for an unknown chapter', async () => {
    const change = { chapter_id: UNKNOWN_ID, page: 1 };
    for (const changes of [[], Array.from({ length: 201 }, () => change), [null], 'x', [{ page: 1 }]]) {
      expect((await as('POST', '/api/me/progress', { changes })).status).toBe(422);
    }
    expect((await put(UNKNOWN_ID, { page: 1 })).body.code).toBe('chapter_not_found');
  });
});

describe('continue reading', () => {
  const continuations = async () =>
    (await as('GET', '/api/me/continue-reading')).body.items.map(({ chapter, progress }) => [
      chapter.id,
      progress.page,
    ]);

  it('offers the open chapter, then the next one, then nothing', async () => {
    const { project, chapters } = await followed(2);
    await world.chapter(project.id, { number: '1.5', language: 'de' });
    const hidden = await world.chapter(project.id, { number: '1.7', is_hidden: true });
    const [one, two] = chapters.map(({ id }) => id) as [string, string];
    expect(await continuations()).toEqual([]);
    await put(one, { page: 2 });
    expect(await continuations()).toEqual([[one, 2]]);
    await put(one, { page: 3 });
    expect(await continuations()).toEqual([[two, 0]]);
    await put(two, { page: 3 });
    expect(await continuations()).toEqual([]);
    const body = { is_hidden: false, version: 2 };
    await t.request('PATCH', `/api/chapters/${hidden.id}`, { token: world.uploader.token, body });
    await put(one, { page: 3, changed_at: at(t.clock.now()) });
    expect(await continuations()).toEqual([[hidden.id, 0]]);
  });

  it('lists one chapter per project, the project opened last first, in pages', async () => {
    const [one, two] = [await followed(2), await followed(2)];
    await put(one.chapters[0]!.id, { page: 1, changed_at: at(t.clock.now() - 3000) });
    await put(two.chapters[0]!.id, { page: 1, changed_at: at(t.clock.now() - 2000) });
    await put(one.chapters[1]!.id, { page: 1, changed_at: at(t.clock.now() - 1000) });
    expect(await continuations()).toEqual([
      [one.chapters[1]!.id, 1],
      [two.chapters[0]!.id, 1],
    ]);
    const first = await as('GET', '/api/me/continue-reading?limit=1');
    const second = await as('GET', `/api/me/continue-reading?limit=1&cursor=${first.body.next_cursor}`);
    expect(second.body.items.map(({ chapter }) => chapter.id)).toEqual([two.chapters[0]!.id]);
    const history = await as('GET', '/api/me/history');
    expect(history.body.items.map(({ chapter }) => chapter.id)).toEqual([
      one.chapters[1]!.id,
      two.chapters[0]!.id,
      one.chapters[0]!.id,
    ]);
  });
});
