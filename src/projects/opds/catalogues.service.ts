import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.provider.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { toPage } from '../../http/pagination.dto.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { readTimeCursor, timeKey } from '../cursors.js';
import { PagesService } from '../pages/pages.service.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { type ProjectDto, ProjectsQueryDto } from '../projects/projects.dto.js';
import { MyReadingService } from '../reading/my-reading.service.js';
import type { Reader } from '../visibility/reader.js';
import { withBasicChallenge } from '../visibility/reader.guard.js';
import type { Catalogue, CatalogueChapter, NavigationEntry } from './catalogue.js';

const LIMIT = 50;
const DAY_MS = 86_400_000;

/** The catalogues of projects and chapters for comic readers. */
@Injectable()
export class CataloguesService {
  constructor(
    private readonly projects: ProjectSearchService,
    private readonly chapters: ChapterListsService,
    private readonly reading: MyReadingService,
    private readonly pages: PagesService,
    private readonly clock: Clock,
  ) {}

  /** The catalogue that leads to the others. */
  getRoot(reader: Reader): Catalogue {
    // The same all day: with the time of the request, no client would ever get 304.
    const updated = new Date(Math.floor(this.clock.now() / DAY_MS) * DAY_MS);
    const entry = (name: string, title: string, summary: string, hasChapters: boolean): NavigationEntry => ({
      id: `urn:machi:opds:${name}`,
      title,
      summary,
      updated,
      path: `/${name}`,
      hasChapters,
    });
    const navigation = [
      entry('projects', 'Projects', 'All projects, those with new chapters first.', false),
      entry('latest', 'Latest chapters', 'The latest chapters of all projects.', true),
      ...(reader.id === null
        ? []
        : [entry('follows', 'Followed', 'The latest chapters of projects that you follow.', true)]),
    ];
    return { id: 'urn:machi:opds', title: 'Machi', path: '', updated, navigation };
  }

  /** The projects that the reader sees, or those that a search finds. Throws `invalid_cursor`. */
  async listProjects(reader: Reader, query: string | undefined, cursor: string | undefined): Promise<Catalogue> {
    const wanted = Object.assign(new ProjectsQueryDto(), {
      limit: LIMIT,
      ...(query === undefined ? {} : { q: query }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const { items, next_cursor } = await this.projects.list(reader, wanted);
    const path = (next?: string): string => withQuery('/projects', { query, cursor: next });
    return {
      id: 'urn:machi:opds:projects',
      title: 'Projects',
      path: path(cursor),
      updated: newest(items.map(({ updated_at }) => updated_at)),
      next: next_cursor === null ? undefined : path(next_cursor),
      navigation: items.map(toNavigationEntry),
    };
  }

  /** The chapters of a project that the reader sees. Throws `project_not_found`, `invalid_cursor`. */
  async listOfProject(reader: Reader, idOrSlug: string, cursor: string | undefined): Promise<Catalogue> {
    const { id, title, updated_at } = await this.projects.get(reader, idOrSlug);
    const query = { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) };
    const { rows, next_cursor } = await this.chapters.findOfProject(reader, id, query);
    const path = `/projects/${id}`;
    return {
      id: `urn:uuid:${id}`,
      title,
      path: withQuery(path, { cursor }),
      updated: updated_at,
      next: next_cursor === null ? undefined : withQuery(path, { cursor: next_cursor }),
      navigation: [],
      chapters: await this.withCovers(rows),
    };
  }

  /** The latest chapters that the reader sees. Throws `invalid_cursor`. */
  async listLatest(reader: Reader, cursor: string | undefined): Promise<Catalogue> {
    const found = await this.chapters.findLatest(reader, { limit: LIMIT, after: readTimeCursor(cursor) });
    return this.toChapterCatalogue('latest', 'Latest chapters', cursor, found);
  }

  /** The latest chapters of the projects that the reader follows. Throws `token_required`, `invalid_cursor`. */
  async listFollowed(reader: Reader, cursor: string | undefined): Promise<Catalogue> {
    if (reader.id === null) throw withBasicChallenge(tokenProblem('token_required'));
    const found = await this.reading.findFeed(reader, { limit: LIMIT, after: readTimeCursor(cursor) });
    return this.toChapterCatalogue('follows', 'Followed', cursor, found);
  }

  /** A chapter that the reader sees. Throws `chapter_not_found`, also when it has no pages. */
  async getChapter(reader: Reader, id: string): Promise<CatalogueChapter> {
    const [chapter] = await this.withCovers([await this.chapters.get(reader, id)]);
    if (!chapter) throw new Problem('chapter_not_found');
    return chapter;
  }

  private async toChapterCatalogue(
    name: string,
    title: string,
    cursor: string | undefined,
    found: ListedChapter[],
  ): Promise<Catalogue> {
    const page = toPage(
      found,
      LIMIT,
      (row) => timeKey(row.readable_at!, row.id),
      (row) => row,
    );
    return {
      id: `urn:machi:opds:${name}`,
      title,
      path: withQuery(`/${name}`, { cursor }),
      updated: newest(page.items.map(({ readable_at, created_at }) => readable_at ?? created_at)),
      next: page.next_cursor === null ? undefined : withQuery(`/${name}`, { cursor: page.next_cursor }),
      navigation: [],
      chapters: await this.withCovers(page.items),
    };
  }

  /** Chapters without pages, such as drafts of the reader, are left out: there is nothing to download. */
  private async withCovers(chapters: ListedChapter[]): Promise<CatalogueChapter[]> {
    const complete = chapters.filter(({ page_count }) => page_count > 0);
    const covers = await this.pages.listFirst(complete.map(({ id }) => id));
    return complete.map((chapter) => ({ ...chapter, coverFormat: covers.get(chapter.id)?.format }));
  }
}

const toNavigationEntry = ({
  id,
  title,
  description,
  updated_at,
  chapter_count,
  cover,
}: ProjectDto): NavigationEntry => ({
  id: `urn:uuid:${id}`,
  title,
  summary: description || `${chapter_count} chapters`,
  updated: updated_at,
  path: `/projects/${id}`,
  hasChapters: true,
  thumbnail: cover?.thumbnail,
});

const newest = (times: Date[]): Date => new Date(Math.max(0, ...times.map((time) => time.getTime())));

function withQuery(path: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}
