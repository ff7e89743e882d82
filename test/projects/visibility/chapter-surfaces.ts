import { PAGE_VARIANTS } from '../../../src/images/image-jobs.js';
import { type Kind, SIGNED_IN, type VisibilityWorld } from '../../support/projects/visibility.js';
import { allPages, type ChapterSurface, filterIds, idsIn, isPublished, isSeenBy, read } from './surface.js';

const UPLOADERS: Kind[] = ['uploader', 'other uploader', 'admin'];
const OTHER_VERSION = 999;

const idsOf = (items: { id: string }[]) => items.map(({ id }) => id);
const everyProject = ({ projects }: VisibilityWorld): string[] => idsOf(projects);

/** Shows the chapters for which a request with the chapter in its path succeeds. */
const byStatus = (
  name: string,
  pathOf: (id: string) => string,
  others: Omit<ChapterSurface, 'name' | 'routes' | 'idsFor'> = {},
): ChapterSurface => ({
  name,
  routes: [name],
  ...others,
  idsFor: (world, person) => filterIds(world.cases, ({ id }) => isSeenBy(world, person, ['GET', pathOf(id)], [200])),
});

/** A change that is refused for its version when the caller sees the chapter. */
const byChange = (
  name: string,
  requestOf: (id: string, pageId: string) => [string, string, object?],
): ChapterSurface => ({
  name,
  routes: [name],
  kinds: UPLOADERS,
  idsFor: (world, person) =>
    filterIds(world.cases, ({ id, pageId }) => isSeenBy(world, person, requestOf(id, pageId), [412])),
});

/** Images by the credentials of the reader, with what a client that has seen them sends, and as HEAD. */
const byImage = (name: string, method: string, headers: Record<string, string>, variant: string): ChapterSurface => ({
  name,
  routes: ['GET /api/pages/:id/image'],
  idsFor: ({ t, cases }, { token }) =>
    filterIds(cases, async ({ pageId }) => {
      const path = `/api/pages/${pageId}/image?variant=${variant}`;
      const { status, text } = await t.request(method, path, { token, headers });
      if (![200, 206, 304, 404].includes(status)) throw new Error(`${method} ${path}: ${status} ${text}`);
      return status !== 404;
    }),
});

/** The chapters themselves and their lists. */
const CHAPTERS: ChapterSurface[] = [
  byStatus('GET /api/chapters/:id', (id) => `/api/chapters/${id}`),
  {
    name: 'GET /api/projects/:id_or_slug/chapters',
    routes: ['GET /api/projects/:id_or_slug/chapters'],
    idsFor: async (world, person) => {
      const pathOf = (id: string): string => `/api/projects/${id}/chapters?`;
      const lists = everyProject(world).map((id) => allPages<{ id: string }>(world, person, pathOf(id)));
      return idsOf((await Promise.all(lists)).flat());
    },
  },
  {
    name: 'GET /api/chapters/latest',
    routes: ['GET /api/chapters/latest'],
    canShow: isPublished,
    idsFor: async (world, person) => idsOf(await allPages(world, person, '/api/chapters/latest?')),
  },
  {
    name: 'next and previous in GET /api/chapters/:id',
    routes: ['GET /api/chapters/:id'],
    // A chapter that is alone in its project has no neighbours.
    canShow: ({ name }) => name !== 'of a hidden project',
    idsFor: async (world, person) => {
      const seen = new Set<string>();
      for (const { id } of world.cases) {
        const { body } = await read(world, person, `/api/chapters/${id}`);
        for (const neighbour of [body['previous_id'], body['next_id']]) if (neighbour) seen.add(neighbour as string);
      }
      return [...seen];
    },
  },
  byChange('PATCH /api/chapters/:id', (id) => ['PATCH', `/api/chapters/${id}`, { version: OTHER_VERSION }]),
  byChange('DELETE /api/chapters/:id', (id) => ['DELETE', `/api/chapters/${id}?version=${OTHER_VERSION}`]),
  byChange('PUT /api/chapters/:id/pages/order', (id, pageId) => [
    'PUT',
    `/api/chapters/${id}/pages/order`,
    { version: OTHER_VERSION, page_ids: [pageId] },
  ]),
  {
    name: 'POST /api/uploads for a chapter',
    routes: ['POST /api/uploads', 'DELETE /api/uploads/:id'],
    kinds: UPLOADERS,
    idsFor: ({ t, cases }, { token }) =>
      filterIds(cases, async ({ id }) => {
        const body = { chapter_id: id };
        const answer = await t.request('POST', '/api/uploads', { token, body });
        if (answer.status === 201) await t.request('DELETE', `/api/uploads/${answer.body.id}`, { token });
        return answer.status === 201 || answer.body.code === 'chapter_not_draft';
      }),
  },
];

/** Images, archives and page streaming. */
const FILES: ChapterSurface[] = [
  ...PAGE_VARIANTS.map((variant) => byImage(`GET /api/pages/:id/image?variant=${variant}`, 'GET', {}, variant)),
  byImage('HEAD /api/pages/:id/image', 'HEAD', {}, 'reader'),
  byImage('GET /api/pages/:id/image with If-None-Match', 'GET', { 'if-none-match': '*' }, 'reader'),
  byImage('GET /api/pages/:id/image with Range', 'GET', { range: 'bytes=0-3' }, 'original'),
  {
    name: 'the addresses of images in GET /api/chapters/:id',
    routes: ['GET /api/chapters/:id', 'GET /api/pages/:id/image'],
    idsFor: (world, person) =>
      filterIds(world.cases, async ({ id }) => {
        const { body } = await read(world, person, `/api/chapters/${id}`);
        const pages = (body['pages'] ?? []) as { images: Record<string, string> }[];
        const urls = pages.flatMap(({ images }) => Object.values(images));
        const shown = await Promise.all(
          urls.map((url) => isSeenBy(world, { ...person, token: undefined }, ['GET', url], [200])),
        );
        return shown.length > 0 && shown.every(Boolean);
      }),
  },
  {
    name: 'GET and HEAD /api/chapters/:id/download.cbz, also with If-None-Match',
    routes: ['GET /api/chapters/:id/download.cbz'],
    idsFor: ({ t, cases }, { token }) =>
      filterIds(cases, async ({ id }) => {
        const send = (method: string, tag: string) =>
          t.request(method, `/api/chapters/${id}/download.cbz`, { token, headers: { 'if-none-match': tag } });
        const answers = await Promise.all([send('GET', '"x"'), send('HEAD', '"x"'), send('GET', '*')]);
        const statuses = answers.map(({ status }) => status).join();
        if (!['200,200,304', '404,404,404'].includes(statuses)) throw new Error(`download of ${id}: ${statuses}`);
        return statuses.startsWith('200');
      }),
  },
  byStatus('GET /api/opds/chapters/:id/pages/:number', (id) => `/api/opds/chapters/${id}/pages/0?width=200`),
];

/** Feeds and catalogues. */
const DOCUMENTS: ChapterSurface[] = [
  ...['rss', 'atom', 'json'].flatMap((format): ChapterSurface[] => [
    {
      name: `GET /api/feeds/latest.${format}`,
      routes: ['GET /api/feeds/latest.:format'],
      canShow: isPublished,
      idsFor: async (world, person) =>
        idsIn(world.cases, (await read(world, person, `/api/feeds/latest.${format}`)).text),
    },
    {
      name: `GET /api/feeds/projects/:id_or_slug.${format}`,
      routes: ['GET /api/feeds/projects/:id_or_slug.:format'],
      canShow: isPublished,
      idsFor: (world, person) => idsInDocuments(world, person, (id) => `/api/feeds/projects/${id}.${format}`),
    },
    {
      name: `GET /api/feeds/me/:token.${format}`,
      routes: ['GET /api/feeds/me/:token.:format'],
      kinds: SIGNED_IN,
      canShow: isPublished,
      idsFor: async ({ t, cases }, { token }) => {
        const { body } = await t.request('POST', '/api/me/feed-tokens', { token, body: { name: 'x' } });
        const feed = await t.request('GET', `/api/feeds/me/${body.token}.${format}`);
        await t.request('DELETE', `/api/me/feed-tokens/${body.id}`, { token });
        return idsIn(cases, feed.text);
      },
    },
  ]),
  ...['/api/opds', '/api/opds/v2'].flatMap((root): ChapterSurface[] => [
    {
      name: `GET ${root}/latest`,
      routes: [`GET ${root}/latest`],
      canShow: isPublished,
      idsFor: async (world, person) => idsIn(world.cases, (await read(world, person, `${root}/latest`)).text),
    },
    {
      name: `GET ${root}/follows`,
      routes: [`GET ${root}/follows`],
      kinds: SIGNED_IN,
      canShow: isPublished,
      idsFor: async (world, person) => idsIn(world.cases, (await read(world, person, `${root}/follows`)).text),
    },
    {
      name: `GET ${root}/projects/:id_or_slug`,
      routes: [`GET ${root}/projects/:id_or_slug`],
      idsFor: (world, person) => idsInDocuments(world, person, (id) => `${root}/projects/${id}`),
    },
  ]),
  byStatus('GET /api/opds/v2/chapters/:id', (id) => `/api/opds/v2/chapters/${id}`),
];

async function idsInDocuments(
  world: VisibilityWorld,
  person: Parameters<typeof read>[1],
  pathOf: (projectId: string) => string,
): Promise<string[]> {
  const documents = await Promise.all(everyProject(world).map((id) => read(world, person, pathOf(id))));
  return idsIn(world.cases, documents.map(({ text }) => text).join());
}

export const CHAPTER_SURFACES: ChapterSurface[] = [...CHAPTERS, ...FILES, ...DOCUMENTS];
