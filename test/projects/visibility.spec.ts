import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_VARIANTS } from '../../src/images/image-jobs.js';
import { SqlValues } from '../../src/database/sql-values.js';
import { ANONYMOUS, type Reader } from '../../src/projects/visibility/reader.js';
import { isChapterVisible, visibleChapter } from '../../src/projects/visibility/visibility.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { imageFile } from '../support/images.js';
import { projectsWorld } from '../support/projects.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let start: number;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
  start = t.clock.now();
  t.clock.set(start);
  world = await projectsWorld(t);
});
afterAll(() => t.stop());

type Kind = 'anonymous' | 'user' | 'early' | 'viewer' | 'uploader' | 'manager' | 'other uploader' | 'admin';

interface Person {
  kind: Kind;
  token: string | undefined;
}

interface Case {
  name: string;
  id: string;
  projectId: string;
  /** Its only page. */
  pageId?: string;
  /** The kinds of readers who see it at the start. */
  seenBy: Kind[];
}

const EVERYONE: Kind[] = ['anonymous', 'user', 'early', 'viewer', 'uploader', 'manager', 'other uploader', 'admin'];
const PRIVILEGED: Kind[] = ['viewer', 'uploader', 'admin'];

const people: Person[] = [];
const cases: Case[] = [];
let early: SignedInUser;
let earlyGroup: string;
let viewer: SignedInUser;

/** A user in a group with these rights; the group can be changed later. */
async function userInGroup(rights: object): Promise<{ user: SignedInUser; group: string }> {
  const [user, token] = [await t.user(), await t.asAdmin()];
  const group = await t.request('POST', '/api/groups', { token, body: { name: `group ${user.username}`, ...rights } });
  await t.request('PUT', `/api/groups/${group.body['id']}/members/${user.id}`, { token });
  return { user, group: group.body['id'] };
}

beforeAll(async () => {
  const { user, group } = await userInGroup({ early_access_days: 3 });
  [early, earlyGroup] = [user, group];
  // The largest number of days of all groups counts.
  const token = await t.asAdmin();
  const second = await t.request('POST', '/api/groups', { token, body: { name: 'one day', early_access_days: 1 } });
  await t.request('PUT', `/api/groups/${second.body['id']}/members/${early.id}`, { token });
  viewer = await t.user('view_hidden');
  const others: [Kind, string | undefined][] = [
    ['anonymous', undefined],
    ['user', (await t.user()).token],
    ['early', early.token],
    ['viewer', viewer.token],
    ['uploader', world.uploader.token],
    ['manager', world.manager.token],
    ['other uploader', (await t.user('upload_chapters')).token],
    ['admin', token],
  ];
  people.push(...others.map(([kind, each]) => ({ kind, token: each })));

  const open = await world.project({ title: 'Open project' });
  const hidden = await world.project({ title: 'Hidden project' });
  const release = (days: number) => new Date(start + days * DAY_MS);
  const add = async (name: string, projectId: string, seenBy: Kind[], fields: object = {}) => {
    const { id } = await world.chapter(projectId, { title: name, ...fields });
    cases.push({ name, id, projectId, seenBy });
    return id;
  };
  await add('published', open.id, EVERYONE);
  await add('released in the past', open.id, EVERYONE, { release_at: release(-1) });
  await add('released now', open.id, EVERYONE, { release_at: release(0) });
  await add('released in 2 days', open.id, [...PRIVILEGED, 'early'], { release_at: release(2) });
  await add('released in 3 days', open.id, [...PRIVILEGED, 'early'], { release_at: release(3) });
  await add('released in 4 days', open.id, PRIVILEGED, { release_at: release(4) });
  await add('hidden', open.id, PRIVILEGED, { is_hidden: true });
  await add('draft', open.id, PRIVILEGED, { state: 'draft' });
  for (const state of ['processing', 'review', 'rejected', 'failed']) {
    const id = await add(state, open.id, PRIVILEGED, { state: 'draft' });
    await t.dataSource.query('update chapters set state = $2 where id = $1', [id, state]);
  }
  await add('of a hidden project', hidden.id, PRIVILEGED);
  const body = { version: 1, is_hidden: true };
  await t.request('PATCH', `/api/projects/${hidden.id}`, { token: world.manager.token, body });
  const page = await imageFile(7);
  for (const each of cases) each.pageId = (await world.addPages(each.id, [page]))[0]!;
  // Everyone follows both projects, also those who do not see the hidden one.
  await t.dataSource.query(`insert into project_bookmarks (user_id, kind, project_id, created_at)
    select u.id, 'follow', p.id, now() from users u, projects p`);
});

/** The ids of the chapters that a list shows. Lists of published chapters cannot show others. */
interface Surface {
  name: string;
  /** Readers without a token cannot use it. */
  isPersonal?: boolean;
  onlyPublished?: boolean;
  idsFor: (person: Person) => Promise<string[]>;
}

const read = ({ token }: Person, path: string) => t.request('GET', path, { token });

async function pagesOf<Item>(person: Person, path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer = await read(person, `${path}limit=3${cursor && `&cursor=${cursor}`}`);
    const body = answer.body as unknown as { items?: Item[]; next_cursor: string | null };
    items.push(...(body.items ?? []));
    cursor = body.next_cursor ?? null;
  }
  return items;
}

const chapterIds = (items: { chapter: { id: string } }[]) => items.map(({ chapter }) => chapter.id);

const filterCases = async (isSeen: (each: Case) => Promise<boolean>): Promise<string[]> => {
  const seen: string[] = [];
  for (const each of cases) if (await isSeen(each)) seen.push(each.id);
  return seen;
};

const SURFACES: Surface[] = [
  {
    name: 'GET /api/chapters/:id',
    idsFor: (person) => filterCases(async ({ id }) => (await read(person, `/api/chapters/${id}`)).status === 200),
  },
  {
    name: 'GET /api/projects/:id/chapters',
    idsFor: async (person) => {
      const projects = [...new Set(cases.map(({ projectId }) => projectId))];
      const lists = await Promise.all(
        projects.map((id) => pagesOf<{ id: string }>(person, `/api/projects/${id}/chapters?`)),
      );
      return lists.flat().map(({ id }) => id);
    },
  },
  {
    name: 'GET /api/chapters/latest',
    onlyPublished: true,
    idsFor: async (person) => (await pagesOf<{ id: string }>(person, '/api/chapters/latest?')).map(({ id }) => id),
  },
  {
    name: 'next and previous',
    idsFor: async (person) => {
      const seen = new Set<string>();
      for (const { id } of cases) {
        const { body } = await read(person, `/api/chapters/${id}`);
        for (const neighbour of [body['previous_id'], body['next_id']]) if (neighbour) seen.add(neighbour);
      }
      // A chapter that is alone in its project has no neighbours.
      const alone = cases.filter((each) => cases.filter(({ projectId }) => projectId === each.projectId).length === 1);
      const visible = await Promise.all(alone.map(({ id }) => read(person, `/api/chapters/${id}`)));
      alone.filter((_, i) => visible[i]!.status === 200).forEach(({ id }) => seen.add(id));
      return [...seen];
    },
  },
  {
    name: 'GET /api/me/feed',
    isPersonal: true,
    onlyPublished: true,
    idsFor: async (person) => chapterIds(await pagesOf(person, '/api/me/feed?')),
  },
  {
    name: 'GET and PUT /api/chapters/:id/progress',
    isPersonal: true,
    idsFor: (person) =>
      filterCases(async ({ id }) => {
        const path = `/api/chapters/${id}/progress`;
        const { status } = await read(person, path);
        const put = await t.request('PUT', path, { token: person.token, body: { page: 1, is_read: false } });
        expect(put.status).toBe(status);
        return status === 200;
      }),
  },
  {
    name: 'POST /api/me/progress',
    isPersonal: true,
    idsFor: async ({ token }) => {
      const changes = cases.map(({ id }) => ({ chapter_id: id, page: 1, is_read: false }));
      const { body } = await t.request('POST', '/api/me/progress', { token, body: { changes } });
      return body.items.map(({ chapter_id }) => chapter_id);
    },
  },
  {
    name: 'GET /api/me/history',
    isPersonal: true,
    idsFor: async (person) => chapterIds(await pagesOf(person, '/api/me/history?')),
  },
];

/** Images by the credentials of the reader, with what a client that has seen them sends, and as HEAD. */
const imageSurface = (name: string, method: string, headers: Record<string, string>, variant: string): Surface => ({
  name,
  idsFor: ({ token }) =>
    filterCases(async ({ pageId }) => {
      const path = `/api/pages/${pageId}/image?variant=${variant}`;
      const { status } = await t.request(method, path, { token, headers });
      expect([200, 206, 304, 404]).toContain(status);
      return status !== 404;
    }),
});

for (const variant of PAGE_VARIANTS) {
  SURFACES.push(imageSurface(`GET /api/pages/:id/image?variant=${variant}`, 'GET', {}, variant));
}
SURFACES.push(
  imageSurface('HEAD /api/pages/:id/image', 'HEAD', {}, 'reader'),
  imageSurface('GET /api/pages/:id/image with If-None-Match', 'GET', { 'if-none-match': '*' }, 'reader'),
  imageSurface('GET /api/pages/:id/image with Range', 'GET', { range: 'bytes=0-3' }, 'original'),
  {
    name: 'the addresses of images in GET /api/chapters/:id',
    idsFor: (person) =>
      filterCases(async ({ id }) => {
        const { body } = await read(person, `/api/chapters/${id}`);
        const urls = body['pages']?.flatMap(({ images }: { images: object }) => Object.values(images)) ?? [];
        for (const url of urls) expect((await t.request('GET', url)).status).toBe(200);
        return urls.length > 0;
      }),
  },
);

SURFACES.push(
  {
    name: 'GET /api/chapters/:id/download.cbz',
    idsFor: ({ token }) =>
      filterCases(async ({ id }) => {
        const path = `/api/chapters/${id}/download.cbz`;
        const answers = await Promise.all(
          ['GET', 'HEAD'].map((method) => t.request(method, path, { token, headers: { 'if-none-match': '"x"' } })),
        );
        const seen = await t.request('GET', path, { token, headers: { 'if-none-match': '*' } });
        expect(new Set(answers.map(({ status }) => status)).size).toBe(1);
        expect(seen.status).toBe(answers[0]!.status === 200 ? 304 : 404);
        return seen.status === 304;
      }),
  },
  {
    name: 'GET /api/opds/chapters/:id/pages/:number',
    idsFor: (person) =>
      filterCases(async ({ id }) => (await read(person, `/api/opds/chapters/${id}/pages/0?width=200`)).status === 200),
  },
);

/** A surface that answers a document with the ids of chapters in it. */
const inText = (name: string, path: string, isPersonal = false): Surface => ({
  name,
  isPersonal,
  onlyPublished: true,
  idsFor: async (person) => idsIn((await read(person, path)).text),
});

const idsIn = (text: string): string[] => cases.map(({ id }) => id).filter((id) => text.includes(id));

for (const format of ['rss', 'atom', 'json']) {
  SURFACES.push(inText(`GET /api/feeds/latest.${format}`, `/api/feeds/latest.${format}`));
  SURFACES.push({
    name: `GET /api/feeds/projects/:id.${format}`,
    onlyPublished: true,
    idsFor: async (person) => {
      const projects = [...new Set(cases.map(({ projectId }) => projectId))];
      const feeds = await Promise.all(projects.map((id) => read(person, `/api/feeds/projects/${id}.${format}`)));
      return idsIn(feeds.map(({ text }) => text).join());
    },
  });
  SURFACES.push({
    name: `GET /api/feeds/me/:token.${format}`,
    isPersonal: true,
    onlyPublished: true,
    idsFor: async ({ token }) => {
      const created = await t.request('POST', '/api/me/feed-tokens', { token, body: { name: 'x' } });
      const feed = await t.request('GET', `/api/feeds/me/${created.body.token}.${format}`);
      await t.request('DELETE', `/api/me/feed-tokens/${created.body.id}`, { token });
      return idsIn(feed.text);
    },
  });
}
for (const root of ['/api/opds', '/api/opds/v2']) {
  SURFACES.push(inText(`GET ${root}/latest`, `${root}/latest`), inText(`GET ${root}/follows`, `${root}/follows`, true));
  SURFACES.push({
    name: `GET ${root}/projects/:id`,
    idsFor: async (person) => {
      const projects = [...new Set(cases.map(({ projectId }) => projectId))];
      const feeds = await Promise.all(projects.map((id) => read(person, `${root}/projects/${id}`)));
      return idsIn(feeds.map(({ text }) => text).join());
    },
  });
}

const namesOf = (ids: string[]) =>
  cases
    .filter(({ id }) => ids.includes(id))
    .map(({ name }) => name)
    .toSorted();

const STATES = new Set(['draft', 'processing', 'review', 'rejected', 'failed']);

/** What a kind of reader sees on a surface, by the table of cases. */
const expectedFor = (kind: Kind, { onlyPublished = false }: Surface): string[] =>
  cases
    .filter(({ name, seenBy }) => seenBy.includes(kind) && !(onlyPublished && STATES.has(name)))
    .map(({ name }) => name)
    .toSorted();

describe.each(SURFACES)('$name', (surface) => {
  it.each(EVERYONE)('shows exactly the visible chapters to: %s', async (kind) => {
    const person = people.find((each) => each.kind === kind)!;
    if (surface.isPersonal && person.token === undefined) return;
    // Every user has opened every chapter, also those that became invisible.
    await t.dataSource.query(`insert into chapter_progress (user_id, chapter_id, page, is_read, changed_at)
      select b.user_id, c.id, 1, false, date_trunc('milliseconds', now())
      from (select distinct user_id from project_bookmarks) b, chapters c
      on conflict do nothing`);
    expect(namesOf(await surface.idsFor(person))).toEqual(expectedFor(kind, surface));
  });
});

describe('hidden projects', () => {
  it('are visible with view_hidden, manage_projects and an own upload only, in every route and count', async () => {
    const [hidden] = cases.filter(({ name }) => name === 'of a hidden project');
    const seenBy = new Set<Kind>(['viewer', 'uploader', 'manager', 'admin']);
    for (const person of people) {
      const status = seenBy.has(person.kind) ? 200 : 404;
      const { body } = await read(person, '/api/projects?q=Hidden%20project');
      const found = (body['items'] as { id: string; chapter_count: number }[]).filter(
        ({ id }) => id === hidden!.projectId,
      );
      expect([person.kind, found.length]).toEqual([person.kind, status === 200 ? 1 : 0]);
      if (status === 200) expect(found[0]!.chapter_count).toBe(person.kind === 'manager' ? 0 : 1);
      for (const path of ['', '/chapters']) {
        const answer = await read(person, `/api/projects/${hidden!.projectId}${path}`);
        expect([person.kind, path, answer.status]).toEqual([person.kind, path, status]);
      }
    }
  });

  it('do not answer 304 or redirect to readers who do not see them', async () => {
    const project = await world.project({ slug: 'seen-before' });
    const path = `/api/projects/${project.id}`;
    const etag = (await t.request('GET', path)).headers.get('etag')!;
    expect((await t.request('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const body = { version: 1, is_hidden: true, slug: 'seen-after' };
    await t.request('PATCH', path, { token: world.manager.token, body });
    expect((await t.request('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(404);
    expect((await t.request('GET', '/api/projects/seen-before')).status).toBe(404);
    expect((await t.request('PUT', `${path}/follow`, { token: early.token })).status).toBe(404);
    const patch = { token: (await t.user('upload_chapters')).token, body: { number: '1', language: 'en' } };
    expect((await t.request('POST', `${path}/chapters`, patch)).status).toBe(404);
  });
});

describe('counts', () => {
  it('count what each reader sees', async () => {
    const { projectId } = cases[0]!;
    for (const { kind, token } of people) {
      const expected = cases.filter((each) => each.projectId === projectId && each.seenBy.includes(kind)).length;
      const { body } = await t.request('GET', `/api/projects/${projectId}` as '/api/projects/{}', { token });
      expect([kind, body.chapter_count]).toEqual([kind, expected]);
    }
  });
});

describe('the one rule', () => {
  it('is the same as an SQL condition and as a function, for every combination', async () => {
    const now = t.clock.date();
    const readers: Reader[] = [
      ANONYMOUS,
      ...[0, 1, 3].map((earlyAccessDays) => ({ ...ANONYMOUS, id: early.id, earlyAccessDays })),
      { ...ANONYMOUS, id: world.uploader.id },
      { ...ANONYMOUS, id: viewer.id, seesHidden: true },
      { ...ANONYMOUS, id: world.manager.id, managesProjects: true },
    ];
    type Row = Parameters<typeof isChapterVisible>[2] & { id: string; project_is_hidden: boolean };
    const rows = await t.dataSource.query<Row[]>(
      `select c.*, p.is_hidden as project_is_hidden from chapters c join projects p on p.id = c.project_id`,
    );
    for (const reader of readers) {
      const values = new SqlValues();
      const found = await t.dataSource.query<{ id: string }[]>(
        `select c.id from chapters c join projects p on p.id = c.project_id where ${visibleChapter(reader, now, values)}`,
        values.all,
      );
      const byFunction = rows.filter((row) => isChapterVisible(reader, now, row, { is_hidden: row.project_is_hidden }));
      expect(found.map(({ id }) => id).toSorted()).toEqual(byFunction.map(({ id }) => id).toSorted());
    }
  });

  it('follows the clock to the millisecond', async () => {
    const chapter = cases.find(({ name }) => name === 'released in 4 days')!;
    const statusFor = async (token?: string) =>
      (await t.request('GET', `/api/chapters/${chapter.id}`, { token })).status;
    t.clock.set(start + DAY_MS - 1);
    expect([await statusFor(early.token), await statusFor()]).toEqual([404, 404]);
    t.clock.set(start + DAY_MS);
    expect([await statusFor(early.token), await statusFor()]).toEqual([200, 404]);
    t.clock.set(start + 4 * DAY_MS - 1);
    expect(await statusFor()).toBe(404);
    t.clock.set(start + 4 * DAY_MS);
    expect(await statusFor()).toBe(200);
    t.clock.set(start);
  });

  it('follows a right that is taken away at once', async () => {
    const token = await t.asAdmin();
    const chapter = cases.find(({ name }) => name === 'released in 3 days')!;
    const statusFor = async (reader: string) =>
      (await t.request('GET', `/api/chapters/${chapter.id}`, { token: reader })).status;
    expect(await statusFor(early.token)).toBe(200);
    await t.request('DELETE', `/api/groups/${earlyGroup}/members/${early.id}`, { token });
    expect(await statusFor(early.token)).toBe(404);
    const former = await userInGroup({ permissions: ['view_hidden'] });
    expect(await statusFor(former.user.token)).toBe(200);
    await t.request('PATCH', `/api/groups/${former.group}`, { token, body: { permissions: [] } });
    expect(await statusFor(former.user.token)).toBe(404);
  });
});

describe('ANONYMOUS_READING=off', () => {
  it('requires a token on every open route, and answers 401 to one that is not valid', async () => {
    const closed = await startApp({ env: { ANONYMOUS_READING: 'off' }, database: t.connection });
    const paths = ['/api/projects', `/api/chapters/${cases[0]!.id}`, '/api/chapters/latest', '/api/release-groups'];
    for (const path of paths) {
      expect((await closed.request('GET', path)).body['code']).toBe('token_required');
      const headers = { authorization: 'Bearer a.b.c' };
      expect((await t.request('GET', path, { headers })).body['code']).toBe('invalid_token');
      expect((await t.request('GET', path, { headers: { cookie: 'login-token=a.b.c' } })).status).toBe(200);
    }
    await closed.stop();
  });
});
