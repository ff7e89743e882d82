import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ANONYMOUS, type Reader } from '../../src/projects/visibility/reader.js';
import { isChapterVisible } from '../../src/projects/visibility/visibility.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { userInGroup } from '../support/projects/visibility.js';

const DAY_MS = 86_400_000;
const PROJECTS = 40;
const CHAPTERS = 160;
const EARLY_DAYS = 3;

interface ProjectRow {
  id: string;
  is_hidden: boolean;
  created_at: Date;
  newest_at: Date;
}

interface ChapterRow {
  id: string;
  project_id: string;
  state: string;
  is_hidden: boolean;
  uploader_id: string | null;
  release_at: Date | null;
  published_at: Date | null;
  shown_at: Date | null;
}

/** A reader, and the token of their requests. */
type Person = Reader & { token: string | undefined };

let t: TestApp;
let people: Record<string, Person>;
let uploaders: SignedInUser[];
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
  t.clock.set(t.clock.now());
  const { user: early } = await userInGroup(t, { early_access_days: EARLY_DAYS });
  uploaders = [await t.user('upload_chapters'), await t.user('upload_chapters'), early];
  const [uploader] = uploaders as [SignedInUser];
  const [reader, manager, viewer] = [await t.user(), await t.user('manage_projects'), await t.user('view_hidden')];
  const person = (user: SignedInUser, rights: Partial<Reader> = {}): Person => ({
    ...ANONYMOUS,
    ...rights,
    id: user.id,
    token: user.token,
  });
  people = {
    anonymous: { ...ANONYMOUS, token: undefined },
    'without uploads': person(reader),
    'with early access and uploads': person(early, { earlyAccessDays: EARLY_DAYS }),
    'with uploads': person(uploader),
    'who manages projects': person(manager, { managesProjects: true }),
    'who sees what is hidden': person(viewer, { seesHidden: true }),
  };
  await insertProjects();
  await insertChapters();
});
afterAll(() => t.stop());

/** A number below `count`, the same ones in every run. */
let seed = 20_261_130;
function random(count: number): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return Math.floor((seed / 2 ** 31) * count);
}

/** A time up to `before` days ago, or up to `after` days from now; some are equal. */
const near = (before: number, after: number): Date => daysFromNow(random((before + after) * 8) / 8 - before);

const daysFromNow = (days: number): Date => new Date(t.clock.now() + days * DAY_MS);

async function insertProjects(): Promise<void> {
  for (let i = 0; i < PROJECTS; i++) {
    await insertProject(i % 3 === 0 ? ['third'] : [], { is_hidden: random(6) === 0, created_at: near(10, 0) });
  }
}

/** Returns the id of the project. */
async function insertProject(
  tags: string[],
  { is_hidden = false, created_at = daysFromNow(-10) } = {},
): Promise<string> {
  const id = randomUUID();
  await t.dataSource.query(
    `insert into projects (id, slug, title, alternative_titles, description, status, original_language, content_rating,
      reading_direction, tags, people, search_text, sort_title, is_hidden, created_at, updated_at)
    values ($1::uuid, $1::text, $1::text, '[]', '', 'ongoing', 'ja', 'everyone', 'right_to_left', $2, '[]', '', '', $3, $4, $4)`,
    [id, tags, is_hidden, created_at],
  );
  return id;
}

async function insertChapters(): Promise<void> {
  const projects = await projectRows();
  for (let i = 0; i < CHAPTERS; i++) {
    const project = projects[random(PROJECTS - 8)]!; // some have no chapters
    const isHidden = random(6) === 0;
    await insertChapter(project.id, {
      at: random(8) > 0 ? near(9, 0) : null,
      release_at: random(3) === 0 ? near(4, 6) : null,
      isHidden,
      isShown: !isHidden && !project.is_hidden,
      uploader: uploaders[random(uploaders.length)]!.id,
    });
  }
}

interface NewChapter {
  /** When it was published; null: it is in review. */
  at: Date | null;
  release_at: Date | null;
  isHidden?: boolean;
  isShown?: boolean;
  uploader?: string | null;
}

let numbers = 0;
async function insertChapter(
  projectId: string,
  { at, release_at, isHidden = false, isShown = true, uploader = null }: NewChapter,
): Promise<void> {
  const values = [
    randomUUID(),
    projectId,
    `${++numbers}`,
    uploader,
    at ? 'published' : 'review',
    isHidden,
    release_at,
    at,
  ];
  await t.dataSource.query(
    `insert into chapters (id, project_id, number, number_key, sort_key, language, groups_key, uploader_id, state, is_hidden,
      release_at, published_at, shown_at, created_at, updated_at)
    values ($1, $2, $3::text, $3::text, $3::text, 'en', '', $4, $5, $6, $7, $8, $9, now(), now())`,
    [...values, isShown ? at : null],
  );
}

const projectRows = (): Promise<ProjectRow[]> =>
  t.dataSource.query('select id, is_hidden, created_at, newest_at from projects order by id');
const chapterRows = (): Promise<ChapterRow[]> => t.dataSource.query('select * from chapters order by id');

/** When the reader could first read a published chapter. */
function readableAt(reader: Reader, { uploader_id, published_at, shown_at, release_at }: ChapterRow): number {
  if (reader.seesHidden || (reader.id !== null && reader.id === uploader_id)) return published_at!.getTime();
  return Math.max(Number(shown_at), release_at === null ? 0 : release_at.getTime() - reader.earlyAccessDays * DAY_MS);
}

/** The ids of the projects that the reader sees, the one with the newest readable chapter first. */
async function expectedOrder(reader: Reader): Promise<string[]> {
  const [projects, chapters] = [await projectRows(), await chapterRows()];
  const times = projects
    .filter(
      ({ id, is_hidden }) =>
        !is_hidden ||
        reader.seesHidden ||
        reader.managesProjects ||
        chapters.some(({ project_id, uploader_id }) => project_id === id && reader.id === uploader_id),
    )
    .map((project): [number, string] => {
      const readable = chapters.filter(
        (chapter) =>
          chapter.project_id === project.id &&
          chapter.state === 'published' &&
          isChapterVisible(reader, t.clock.date(), chapter, project),
      );
      const newest = Math.max(...readable.map((chapter) => readableAt(reader, chapter)));
      return [readable.length > 0 ? newest : project.created_at.getTime(), project.id];
    });
  return times.toSorted(([a, x], [b, y]) => b - a || (x < y ? 1 : -1)).map(([, id]) => id);
}

/** The ids in the list, page by page. */
async function listedOrder({ token }: Person, limit: number, filter = ''): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ;) {
    const { body } = await t.request('GET', `/api/projects?limit=${limit}${filter}${cursor}`, { token });
    ids.push(...body['items'].map(({ id }: { id: string }) => id));
    if (body['next_cursor'] === null) return ids;
    cursor = `&cursor=${body['next_cursor']}`;
  }
}

async function expectOrders(): Promise<void> {
  for (const [name, person] of Object.entries(people)) {
    const expected = await expectedOrder(person);
    expect([name, await listedOrder(person, 100)]).toEqual([name, expected]);
    expect([name, await listedOrder(person, 3)]).toEqual([name, expected]);
    const tagged = new Set(
      (await t.dataSource.query<{ id: string }[]>(`select id from projects where tags @> '{third}'`)).map(
        ({ id }) => id,
      ),
    );
    expect([name, await listedOrder(person, 1, '&tags=third')]).toEqual([
      name,
      expected.filter((id) => tagged.has(id)),
    ]);
  }
}

/** `newest_at` as it follows from the chapters. */
async function expectNewestTimes(): Promise<void> {
  const [projects, chapters] = [await projectRows(), await chapterRows()];
  for (const { id, is_hidden, created_at, newest_at } of projects) {
    const times = chapters
      .filter((each) => each.project_id === id && each.state === 'published' && !each.is_hidden && !is_hidden)
      .map(({ shown_at, release_at }) => Math.max(Number(shown_at), Number(release_at)))
      .filter((time) => time > 0);
    expect([id, newest_at.getTime()]).toEqual([id, times.length > 0 ? Math.max(...times) : created_at.getTime()]);
  }
}

it('lists the projects that were updated last first, for every kind of reader, page by page and with a filter', async () => {
  await expectNewestTimes();
  await expectOrders();
});

it('keeps the order while chapters and projects change', async () => {
  const ids = (await chapterRows()).map(({ id }) => id);
  const take = (count: number): string[] => Array.from({ length: count }, () => ids[random(ids.length)]!);
  const projects = (await projectRows()).map(({ id }) => id);
  const changes: [text: string, values: unknown[]][] = [
    ['update chapters set is_hidden = not is_hidden where id = any ($1)', [take(25)]],
    [`update chapters set release_at = $2 where id = any ($1)`, [take(10), near(4, 6)]],
    [`update chapters set release_at = null where id = any ($1)`, [take(10)]],
    [`update chapters set state = 'rejected' where id = any ($1)`, [take(10)]],
    [
      `update chapters set state = 'published', published_at = $2, shown_at = $2 where id = any ($1) and state = 'review'`,
      [ids, t.clock.date()],
    ],
    ['delete from chapters where id = any ($1)', [take(25)]],
    ['update projects set is_hidden = not is_hidden where id = any ($1)', [projects.filter((_, i) => i % 4 === 0)]],
    ['update chapters set shown_at = published_at where shown_at is null and published_at is not null', []],
  ];
  for (const [text, values] of changes) {
    await t.dataSource.query(text, values);
    await expectNewestTimes();
  }
  await expectOrders();
  t.clock.advance(2 * DAY_MS);
  await expectOrders();
});

it('with early access, the last page has a project whose newest chapter was released after that of the page before', async () => {
  const [first, last] = [await insertProject(['two']), await insertProject(['two'])];
  await insertChapter(first, { at: daysFromNow(-5), release_at: null });
  await insertChapter(last, { at: daysFromNow(-9), release_at: daysFromNow(-4.5) });
  expect(await listedOrder(people['anonymous']!, 1, '&tags=two')).toEqual([last, first]);
  expect(await listedOrder(people['with early access and uploads']!, 1, '&tags=two')).toEqual([first, last]);
});

it('chapters of one project that are changed at once neither wait for each other forever nor lose a time', async () => {
  const manager = await t.user('manage_projects', 'upload_chapters');
  const created = { token: manager.token, body: { title: 'At once', original_language: 'ja' } };
  const { id } = (await t.request('POST', '/api/projects', created)).body;
  const chapters = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const body = { number: `${i}`, language: 'en' };
      return (await t.request('POST', `/api/projects/${id}/chapters`, { token: manager.token, body })).body;
    }),
  );
  await t.dataSource.query(
    `update chapters set state = 'published', published_at = $2, shown_at = $2 where project_id = $1`,
    [id, t.clock.date()],
  );
  const statuses = await Promise.all(
    chapters.map(async ({ id: chapterId }, i) => {
      const body = { version: 1, release_at: new Date(t.clock.now() + i * DAY_MS) };
      return (await t.request('PATCH', `/api/chapters/${chapterId}`, { token: manager.token, body })).status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  await expectNewestTimes();
});
