import { PAGE_VARIANTS } from '../../../src/images/image-jobs.js';
import {
  type Kind,
  KINDS,
  SIGNED_IN,
  type Person,
  type ProjectCase,
  type VisibilityWorld,
} from '../../support/projects/visibility.js';
import { allPages, filterIds, idsIn, isSeenBy, read, type Surface } from './surface.js';

const UPLOADERS: Kind[] = ['uploader', 'other uploader', 'admin'];
const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

type Request = [method: string, path: string, body?: object];

/** Shows the projects for which a request succeeds, or fails with another status than 404. */
const byStatus = (
  name: string,
  statuses: number[],
  requestOf: (project: ProjectCase) => Request,
  kinds: Kind[] = [...KINDS],
): Surface => ({
  name,
  routes: [name],
  kinds,
  idsFor: (world, person) =>
    filterIds(world.projects, (project) => isSeenBy(world, person, requestOf(project), statuses)),
});

const inDocument = (name: string, route = name): Surface => ({
  name,
  routes: [route],
  idsFor: async (world, person) => {
    const { text } = await read(world, person, name.replace('GET ', ''));
    return idsIn(world.projects, text);
  },
});

const inList = (name: string, kinds: Kind[] = [...KINDS]): Surface => ({
  name,
  routes: [name],
  kinds,
  idsFor: async (world, person) => {
    const items = await allPages<{ id?: string; project?: { id: string } }>(
      world,
      person,
      `${name.replace('GET ', '')}?`,
    );
    const ids = items.map(({ id, project }) => project?.id ?? id!);
    return ids.filter((id) => world.projects.some((project) => project.id === id));
  },
});

const bookmarks = (list: 'follow' | 'favourite'): Surface[] => [
  inList(`GET /api/me/${list}s`, SIGNED_IN),
  {
    name: `PUT and DELETE /api/projects/:id_or_slug/${list}`,
    routes: ['PUT', 'DELETE'].map((method) => `${method} /api/projects/:id_or_slug/${list}`),
    kinds: SIGNED_IN,
    idsFor: (world, person) =>
      filterIds(world.projects, async ({ id }) => {
        const path = `/api/projects/${id}/${list}`;
        const seen: boolean[] = [];
        for (const method of ['PUT', 'DELETE', 'PUT']) seen.push(await isSeenBy(world, person, [method, path], [204]));
        if (new Set(seen).size > 1) throw new Error(`PUT and DELETE ${path} differ`);
        return seen[0]!;
      }),
  },
];

/** The projects whose announcements a list or a document contains. */
const announcementsIn = (name: string, path: string, route: string): Surface => ({
  name,
  routes: [route],
  idsFor: async ({ projects, ...world }, person) => {
    const { text } = await read({ projects, ...world }, person, path);
    return projects.filter(({ announcementId }) => text.includes(announcementId)).map(({ id }) => id);
  },
});

const FORGET_READS = 'delete from announcement_reads where user_id = $1';

/** The projects whose announcements a reader has marked as read. */
async function markedProjects({ t, projects }: VisibilityWorld, { id: userId }: Person): Promise<string[]> {
  const rows = await t.dataSource.query<{ announcement_id: string }[]>(
    'select announcement_id from announcement_reads where user_id = $1',
    [userId],
  );
  await t.dataSource.query(FORGET_READS, [userId]);
  const marked = rows.map(({ announcement_id }) => announcement_id);
  return projects.filter(({ announcementId }) => marked.includes(announcementId)).map(({ id }) => id);
}

const ANNOUNCEMENTS: Surface[] = [
  announcementsIn('GET /api/announcements', '/api/announcements?limit=100', 'GET /api/announcements'),
  byStatus('GET /api/announcements/:id', [200], ({ announcementId }) => [
    'GET',
    `/api/announcements/${announcementId}`,
  ]),
  ...['rss', 'atom', 'json'].map((format) =>
    announcementsIn(
      `GET /api/feeds/announcements.${format}`,
      `/api/feeds/announcements.${format}`,
      'GET /api/feeds/announcements.:format',
    ),
  ),
  {
    name: 'PUT /api/announcements/:id/read',
    routes: ['PUT /api/announcements/:id/read'],
    kinds: SIGNED_IN,
    idsFor: async (world, person) => {
      for (const { announcementId } of world.projects) {
        await isSeenBy(world, person, ['PUT', `/api/announcements/${announcementId}/read`], [204]);
      }
      return markedProjects(world, person);
    },
  },
  {
    name: 'PUT /api/me/announcements/read',
    routes: ['PUT /api/me/announcements/read'],
    kinds: SIGNED_IN,
    idsFor: async (world, person) => {
      await world.t.request('PUT', '/api/me/announcements/read', { token: person.token });
      return markedProjects(world, person);
    },
  },
  {
    name: 'GET /api/me/announcements/unread',
    routes: ['GET /api/me/announcements/unread'],
    kinds: SIGNED_IN,
    // Counts the one that the reader has not read, project by project.
    idsFor: ({ t, projects }, { id: userId, token }) =>
      filterIds(projects, async ({ announcementId }) => {
        await t.dataSource.query(
          `insert into announcement_reads (user_id, announcement_id, read_at)
            select $1, id, now() from announcements where id <> $2`,
          [userId, announcementId],
        );
        const { body } = await t.request('GET', '/api/me/announcements/unread', { token });
        await t.dataSource.query(FORGET_READS, [userId]);
        return body.unread_count === 1;
      }),
  },
];

/** Everything that shows projects, their covers and their announcements. */
export const PROJECT_SURFACES: Surface[] = [
  inList('GET /api/projects'),
  byStatus('GET /api/projects/:id_or_slug', [200], ({ id }) => ['GET', `/api/projects/${id}`]),
  byStatus('GET /api/projects/:id_or_slug/chapters', [200], ({ id }) => ['GET', `/api/projects/${id}/chapters`]),
  {
    name: 'POST /api/projects/:id_or_slug/chapters',
    routes: ['POST /api/projects/:id_or_slug/chapters'],
    kinds: UPLOADERS,
    idsFor: ({ t, projects }, { token }) =>
      filterIds(projects, async ({ id }) => {
        const body = { number: '1', language: 'en', release_group_ids: [UNKNOWN_ID] };
        const answer = await t.request('POST', `/api/projects/${id}/chapters`, { token, body });
        return answer.body['code'] === 'release_group_not_found';
      }),
  },
  byStatus(
    'POST /api/projects/:id_or_slug/reports',
    [201, 409],
    ({ id }) => ['POST', `/api/projects/${id}/reports`, { reason: 'other' }],
    SIGNED_IN,
  ),
  ...bookmarks('follow'),
  ...bookmarks('favourite'),
  {
    name: 'POST /api/uploads for a project',
    routes: ['POST /api/uploads'],
    kinds: UPLOADERS,
    idsFor: ({ t, projects }, { token }) =>
      filterIds(projects, async ({ id }) => {
        const { status, body } = await t.request('POST', '/api/uploads', { token, body: { project_id: id } });
        if (status === 201) await t.request('DELETE', `/api/uploads/${body.id}`, { token });
        return status === 201;
      }),
  },
  ...['rss', 'atom', 'json'].map((format) => ({
    ...byStatus(`GET /api/feeds/projects/:id_or_slug.${format}`, [200], ({ id }) => [
      'GET',
      `/api/feeds/projects/${id}.${format}`,
    ]),
    routes: ['GET /api/feeds/projects/:id_or_slug.:format'],
  })),
  ...['/api/opds', '/api/opds/v2'].flatMap((root) => [
    inDocument(`GET ${root}/projects`),
    byStatus(`GET ${root}/projects/:id_or_slug`, [200], ({ id }) => ['GET', `${root}/projects/${id}`]),
  ]),
  ...PAGE_VARIANTS.map((variant) => ({
    ...byStatus(`GET /api/covers/:id/image?variant=${variant}`, [200], ({ coverId }) => [
      'GET',
      `/api/covers/${coverId}/image?variant=${variant}`,
    ]),
    routes: ['GET /api/covers/:id/image'],
  })),
  {
    name: 'the addresses of covers in GET /api/projects',
    routes: ['GET /api/projects', 'GET /api/covers/:id/image'],
    idsFor: async (world, person) => {
      const { body } = await world.t.request('GET', '/api/projects', { token: person.token });
      return filterIds(world.projects, async ({ id }) => {
        const urls = Object.values(body.items.find((each) => each.id === id)?.cover ?? {});
        const anyone = { ...person, token: undefined };
        const shown = await Promise.all(urls.map((url) => isSeenBy(world, anyone, ['GET', url], [200])));
        return shown.length > 0 && shown.every(Boolean);
      });
    },
  },
  ...ANNOUNCEMENTS,
];
