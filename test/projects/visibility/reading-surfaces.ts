import { expect } from 'vitest';
import { call } from '../../support/files/images.js';
import { unzip } from '../../support/personal-data.js';
import {
  type ChapterCase,
  type Kind,
  type Person,
  SIGNED_IN,
  type VisibilityWorld,
} from '../../support/projects/visibility.js';
import { allPages, type ChapterSurface, filterIds, isPublished, isSeenBy } from './surface.js';

type Item = { chapter: { id: string; project: { id: string } } };

const MODERATORS: Kind[] = ['manager', 'moderator', 'admin'];
const UNREAD = 'update chapter_progress set is_read = false where user_id = $1';

const idsOf = (items: Item[]): string[] => items.map(({ chapter }) => chapter.id);

/** Lets this chapter be the one that the reader opened last. */
async function openLast({ t }: VisibilityWorld, { id }: Person, chapter: ChapterCase, isRead: boolean): Promise<void> {
  await t.dataSource.query(UNREAD, [id]);
  await t.dataSource.query(
    `update chapter_progress set is_read = $3, changed_at = (select max(changed_at) + interval '1 second' from chapter_progress)
      where user_id = $1 and chapter_id = $2`,
    [id, chapter.id, isRead],
  );
}

/** The chapter with which the reader continues in the project of a chapter. */
async function continuation(world: VisibilityWorld, person: Person, { projectId }: ChapterCase) {
  const items = await allPages<Item>(world, person, '/api/me/continue-reading?');
  return items.find(({ chapter }) => chapter.project.id === projectId)?.chapter.id;
}

/** Counts the one chapter that the reader has not read, chapter by chapter. */
const byUnreadCount = (list: 'follows' | 'favourites'): ChapterSurface => ({
  name: `unread_count in GET /api/me/${list}`,
  routes: [`GET /api/me/${list}`],
  kinds: SIGNED_IN,
  canShow: isPublished,
  idsFor: async (world, person) => {
    const ids = await filterIds(world.cases, async ({ id }) => {
      const setRead = 'update chapter_progress set is_read = chapter_id <> $2 where user_id = $1';
      await world.t.dataSource.query(setRead, [person.id, id]);
      const items = await allPages<{ unread_count: number }>(world, person, `/api/me/${list}?`);
      return items.reduce((sum, { unread_count }) => sum + unread_count, 0) === 1;
    });
    await world.t.dataSource.query(UNREAD, [person.id]);
    return ids;
  },
});

/** What readers read and have read. Every reader has opened every chapter. */
export const READING_SURFACES: ChapterSurface[] = [
  {
    name: 'GET /api/me/feed',
    routes: ['GET /api/me/feed'],
    kinds: SIGNED_IN,
    canShow: isPublished,
    idsFor: async (world, person) => idsOf(await allPages(world, person, '/api/me/feed?')),
  },
  {
    name: 'GET and PUT /api/chapters/:id/progress',
    routes: ['GET /api/chapters/:id/progress', 'PUT /api/chapters/:id/progress'],
    kinds: SIGNED_IN,
    idsFor: (world, person) =>
      filterIds(world.cases, async ({ id }) => {
        const path = `/api/chapters/${id}/progress`;
        const isSeen = await isSeenBy(world, person, ['GET', path], [200]);
        const isSet = await isSeenBy(world, person, ['PUT', path, { page: 1, is_read: false }], [200]);
        if (isSeen !== isSet) throw new Error(`GET and PUT ${path} differ`);
        return isSeen;
      }),
  },
  {
    name: 'POST /api/me/progress',
    routes: ['POST /api/me/progress'],
    kinds: SIGNED_IN,
    idsFor: async ({ t, cases }, { token }) => {
      const changes = cases.map(({ id }) => ({ chapter_id: id, page: 1, is_read: false }));
      const { body } = await t.request('POST', '/api/me/progress', { token, body: { changes } });
      return body.items.map(({ chapter_id }) => chapter_id);
    },
  },
  {
    name: 'GET /api/me/history',
    routes: ['GET /api/me/history'],
    kinds: SIGNED_IN,
    idsFor: async (world, person) => idsOf(await allPages(world, person, '/api/me/history?')),
  },
  {
    name: 'GET /api/me/continue-reading after a chapter was opened',
    routes: ['GET /api/me/continue-reading'],
    kinds: SIGNED_IN,
    idsFor: (world, person) =>
      filterIds(world.cases, async (each) => {
        await openLast(world, person, each, false);
        return (await continuation(world, person, each)) === each.id;
      }),
  },
  {
    name: 'GET /api/me/continue-reading after the chapter before was read',
    routes: ['GET /api/me/continue-reading'],
    kinds: SIGNED_IN,
    // The first chapter of a project has none before it.
    canShow: (each) => isPublished(each) && !['published', 'of a hidden project'].includes(each.name),
    idsFor: async (world, person) => {
      const next: string[] = [];
      for (const each of world.cases.filter(({ seenBy }) => seenBy.includes(person.kind))) {
        await openLast(world, person, each, true);
        const id = await continuation(world, person, each);
        if (id !== undefined) next.push(id);
      }
      await world.t.dataSource.query(UNREAD, [person.id]);
      return [...new Set(next)];
    },
  },
  byUnreadCount('follows'),
  byUnreadCount('favourites'),
  {
    name: 'the progress in the copy of the data about a user',
    routes: [
      'POST /api/users/me/exports',
      'GET /api/users/me/exports/current',
      'GET /api/users/me/exports/current/file',
    ],
    // For readers with view_hidden or early access, too, the copy names only what they see without them.
    kinds: ['user', 'uploader', 'manager', 'other uploader'],
    idsFor: async ({ t }, { token, password }) => {
      const path = '/api/users/me/exports';
      await t.request('POST', path, { token, body: { current_password: password } });
      const stateOf = async () => (await t.request('GET', `${path}/current` as const, { token })).body.state;
      await expect.poll(stateOf, { timeout: 20_000 }).toBe('ready');
      const { bytes } = await call(t, 'GET', `${path}/current/file`, token);
      const rows = JSON.parse((await unzip(bytes)).get('projects/progress.json')!.toString()) as {
        chapter_id: string;
        project: string | null;
        number: string | null;
      }[];
      await t.request('DELETE', `${path}/current` as const, { token });
      return rows
        .filter(({ project, number }) => project !== null || number !== null)
        .map(({ chapter_id }) => chapter_id);
    },
  },
];

/** Reports and reviews. */
export const MODERATION_SURFACES: ChapterSurface[] = [
  {
    name: 'POST /api/chapters/:id/reports',
    routes: ['POST /api/chapters/:id/reports'],
    kinds: SIGNED_IN,
    idsFor: (world, person) =>
      filterIds(world.cases, ({ id }) =>
        isSeenBy(world, person, ['POST', `/api/chapters/${id}/reports`, { reason: 'other' }], [201, 409]),
      ),
  },
  {
    name: 'GET /api/moderation/reports',
    routes: ['GET /api/moderation/reports'],
    kinds: MODERATORS,
    idsFor: async (world, person) => {
      const reports = await allPages<{ chapter_id: string | null }>(world, person, '/api/moderation/reports?');
      return [...new Set(reports.flatMap(({ chapter_id }) => chapter_id ?? []))];
    },
  },
  {
    name: 'POST /api/moderation/reports/:id/decision',
    routes: ['POST /api/moderation/reports/:id/decision'],
    kinds: MODERATORS,
    idsFor: (world, person) =>
      filterIds(world.cases, ({ reportId }) => {
        const path = `/api/moderation/reports/${reportId}/decision`;
        return isSeenBy(world, person, ['POST', path, { state: 'resolved' }], [409]);
      }),
  },
  {
    name: 'GET /api/moderation/chapters',
    routes: ['GET /api/moderation/chapters'],
    kinds: ['moderator', 'admin'],
    canShow: ({ state }) => state === 'review',
    idsFor: async (world, person) => {
      const chapters = await allPages<{ id: string }>(world, person, '/api/moderation/chapters?');
      return chapters.map(({ id }) => id);
    },
  },
];
