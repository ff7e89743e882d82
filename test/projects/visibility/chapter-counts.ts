import { type Kind, KINDS, type Person, SIGNED_IN, type VisibilityWorld } from '../../support/projects/visibility.js';
import { allPages, read } from './surface.js';

/** A route that counts the chapters of projects. */
export interface ChapterCount {
  name: string;
  routes: string[];
  kinds: Kind[];
  /** The numbers by project; those of projects that the reader does not see are left out. */
  countsFor: (world: VisibilityWorld, person: Person) => Promise<Record<string, number>>;
}

type Counted = { id: string; chapter_count: number };

const inList = (path: string, kinds: Kind[]): ChapterCount => ({
  name: `chapter_count in GET ${path}`,
  routes: [`GET ${path}`],
  kinds,
  countsFor: async (world, person) => {
    const items = await allPages<Counted & { project?: Counted }>(world, person, `${path}?`);
    const projects = items.map((item) => item.project ?? item);
    return Object.fromEntries(projects.map(({ id, chapter_count }) => [id, chapter_count]));
  },
});

export const CHAPTER_COUNTS: ChapterCount[] = [
  inList('/api/projects', [...KINDS]),
  inList('/api/me/follows', SIGNED_IN),
  inList('/api/me/favourites', SIGNED_IN),
  {
    name: 'chapter_count in GET /api/projects/:id_or_slug',
    routes: ['GET /api/projects/:id_or_slug'],
    kinds: [...KINDS],
    countsFor: async (world, person) => {
      const answers = await Promise.all(world.projects.map(({ id }) => read(world, person, `/api/projects/${id}`)));
      const seen = answers.filter(({ status }) => status === 200).map(({ body }) => body as unknown as Counted);
      return Object.fromEntries(seen.map(({ id, chapter_count }) => [id, chapter_count]));
    },
  },
  {
    name: 'the summaries in GET /api/opds/projects',
    routes: ['GET /api/opds/projects'],
    kinds: [...KINDS],
    countsFor: async (world, person) => {
      const { text } = await read(world, person, '/api/opds/projects');
      const entries = text.matchAll(/<id>urn:uuid:([^<]+)<\/id>.*?<content type="text">(\d+) chapters/gs);
      return Object.fromEntries([...entries].map(([, id, count]) => [id!, Number(count)]));
    },
  },
];
