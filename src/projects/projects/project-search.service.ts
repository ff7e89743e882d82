import { Inject, Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { Pool, QueryResultRow } from 'pg';
import type { EntityManager } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { likePattern } from '../../database/statements/like-pattern.js';
import { prepared } from '../../database/statements/prepared.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { isStorable } from '../../http/bodies/body-shape.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { parseArray, type TimePosition } from '../cursors.js';
import type { Reader } from '../visibility/reader.js';
import { readableAt, visibleChapter, visibleProject } from '../visibility/visibility.js';
import { CoverUrlsService } from './cover-urls.service.js';
import { joinNewest, newestParts, type PartOfProjects } from './newest-projects.js';
import {
  type ListedProject,
  type ProjectDto,
  type ProjectSort,
  type ProjectsQueryDto,
  toProjectDto,
} from './projects.dto.js';

const COLUMNS = `p.id, p.slug, p.title, p.alternative_titles, p.description, p.status, p.original_language, p.content_rating,
  p.reading_direction, p.tags, p.people, p.is_hidden, p.cover_id, p.version, p.created_at, p.updated_at`;

/** Words that are at least this similar count as found: one wrong letter in a word of six. The default of pg_trgm is 0.6. */
const SET_SIMILARITY = `set local pg_trgm.word_similarity_threshold = 0.5`;

const FILTERS = ['tags', 'without_tags', 'status', 'content_rating', 'original_language', 'is_hidden'] as const;

/** The score of a project by relevance: 1000 times its similarity, and 1000 more if it contains the term. */
const MAX_SCORE = 2000;

/** The position of a row in a list: the value it is sorted by, and its id. */
type Position = [key: string | number, id: string];

type Row = ListedProject & { sort_value: string | number | Date | null };

/** A condition on `projects p`: it has this id, or has or had this slug. */
export function isNamed(idOrSlug: string, values: SqlValues): string {
  const name = values.add(idOrSlug.toLowerCase());
  return isUuid(idOrSlug)
    ? `p.id = ${name}::uuid`
    : `p.id = (select project_id from project_slugs where slug = ${name})`;
}

/** Finds projects for readers. */
@Injectable()
export class ProjectSearchService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly coverUrls: CoverUrlsService,
    private readonly clock: Clock,
  ) {}

  /** A project by its id or by a slug that it has or had, if the reader sees it. Throws `project_not_found`. */
  async get(reader: Reader, idOrSlug: string): Promise<ListedProject> {
    const values = new SqlValues();
    const [project] = await this.query<ListedProject>(
      `select ${COLUMNS}, s.* from projects p ${statistics(reader, this.clock.date(), values)}
        where ${isNamed(idOrSlug, values)} and ${visibleProject(reader, values)}`,
      values,
    );
    if (!project) throw new Problem('project_not_found');
    return project;
  }

  /** The id of such a project. Does not count its chapters. Throws `project_not_found`. */
  async getId(reader: Reader, idOrSlug: string): Promise<string> {
    const values = new SqlValues();
    const [project] = await this.query<{ id: string }>(
      `select p.id from projects p where ${isNamed(idOrSlug, values)} and ${visibleProject(reader, values)}`,
      values,
    );
    if (!project) throw new Problem('project_not_found');
    return project.id;
  }

  /** Those of these projects that the reader sees, in no particular order. */
  async listByIds(reader: Reader, ids: string[]): Promise<ListedProject[]> {
    if (ids.length === 0) return [];
    const values = new SqlValues();
    return this.query<ListedProject>(
      `select ${COLUMNS}, s.* from projects p ${statistics(reader, this.clock.date(), values)}
        where p.id = any (${values.add(ids)}::uuid[]) and ${visibleProject(reader, values)}`,
      values,
    );
  }

  /** Lists the projects that the reader sees. Throws `invalid_cursor`. */
  async list(reader: Reader, query: ProjectsQueryDto): Promise<Page<ProjectDto>> {
    const sort = sortOf(query);
    const after = readPosition(query.cursor, sort);
    const values = new SqlValues();
    const text = this.listSql(reader, query, sort, after, values);
    const rows = await this.readList(query, text, values);
    return toPage(
      rows,
      query.limit,
      (row) => toCursorKey(row),
      (row) => this.toDto(reader, row),
    );
  }

  /** A project as the reader sees it. */
  toDto(reader: Reader, project: ListedProject): ProjectDto {
    return toProjectDto(project, this.coverUrls.get(reader, project));
  }

  private listSql(
    reader: Reader,
    query: ProjectsQueryDto,
    sort: ProjectSort,
    after: Position | undefined,
    values: SqlValues,
  ): string {
    const q = query.q === undefined ? undefined : `fold_text(${values.add(query.q)})`;
    const conditions = [visibleProject(reader, values), ...filters(query, q, values)];
    const now = this.clock.date(); // once: a release between two readings would give a wrong page
    const order = orderOf(sort, q, values);
    const limit = values.add(query.limit + 1);
    const rowsOf = (part: PartOfProjects): string => `select ${COLUMNS}, ${order.value} as sort_value
      from projects p ${part.join} where ${[...conditions, ...part.conditions].join(' and ')}`;
    // The index of search texts finds what a term needs.
    const isByNewest = sort === 'updated' && q === undefined && !reader.seesHidden;
    const position = after && ([new Date(after[0]), after[1]] satisfies TimePosition);
    const parts = isByNewest
      ? newestParts(reader, now, { conditions, after: position, limit }, values)
      : [{ conditions: [], join: sort === 'updated' ? joinNewest(reader, now, values) : '' }];
    const rows = parts.map(rowsOf).join(' union all ');
    const isAfter = after ? `where ${order.isAfter(after)}` : '';
    // The statistics are read for the rows of the page only.
    return `select p.*, s.* from (
        select * from (${rows}) p ${isAfter} order by ${order.by} limit ${limit}
      ) p ${statistics(reader, now, values)} order by ${order.by}`;
  }

  private async readList(query: ProjectsQueryDto, text: string, values: SqlValues): Promise<Row[]> {
    if (query.q !== undefined) {
      return this.manager.transaction(async (manager) => {
        await manager.query(SET_SIMILARITY);
        return manager.query<Row[]>(text, values.all);
      });
    }
    // Each combination of filters has a text of its own: a connection would keep too many of them.
    if (FILTERS.some((name) => query[name] !== undefined)) return (await this.pool.query<Row>(text, values.all)).rows;
    return this.query<Row>(text, values);
  }

  private async query<Result extends QueryResultRow>(text: string, values: SqlValues): Promise<Result[]> {
    return (await this.pool.query<Result>(prepared(text, values.all))).rows;
  }
}

/** What the reader sees of the chapters of `projects p`, as `s`. */
function statistics(reader: Reader, now: Date, values: SqlValues): string {
  return `cross join lateral (
      select count(*)::int as chapter_count,
        max(${readableAt(reader, values)}) filter (where c.state = 'published') as last_chapter_at
      from chapters c where c.project_id = p.id and ${visibleChapter(reader, now, values)}) s`;
}

interface Order {
  /** The value that rows are sorted by; of `updated`, it needs `joinNewest`. */
  value: string;
  by: string;
  isAfter: (position: Position) => string;
}

function orderOf(sort: ProjectSort, q: string | undefined, values: SqlValues): Order {
  if (sort === 'title') return orderBy('p.sort_title', 'asc', (key) => `${values.add(key)}::text`, values);
  if (sort === 'relevance') {
    const score = `(round(word_similarity(${q!}, p.search_text) * 1000)::int + case when ${isPart(q!)} then 1000 else 0 end)`;
    return orderBy(score, 'desc', (key) => `${values.add(key)}::int`, values);
  }
  // Ids are UUIDs of version 7, so that their order is the order of creation.
  if (sort === 'created') return orderBy('null::timestamptz', 'desc', undefined, values);
  const key = (ms: string | number): string => `${values.add(new Date(ms))}::timestamptz`;
  return orderBy('coalesce(newest.at, p.created_at)', 'desc', key, values);
}

function orderBy(
  value: string,
  direction: 'asc' | 'desc',
  toSql: ((key: string | number) => string) | undefined,
  values: SqlValues,
): Order {
  const sign = direction === 'asc' ? '>' : '<';
  if (!toSql) {
    const isAfter = ([, id]: Position): string => `p.id ${sign} ${values.add(id)}::uuid`;
    return { value, by: `p.id ${direction}`, isAfter };
  }
  return {
    value,
    by: `p.sort_value ${direction}, p.id ${direction}`,
    isAfter: ([key, id]) => `(p.sort_value, p.id) ${sign} (${toSql(key)}, ${values.add(id)}::uuid)`,
  };
}

const sortOf = ({ q, sort }: ProjectsQueryDto): ProjectSort => {
  if (q === undefined) return sort === undefined || sort === 'relevance' ? 'updated' : sort;
  return sort ?? 'relevance';
};

/** Whether the folded term is a part of the titles and people, wherever words begin. */
const isPart = (q: string): string => `p.search_text like ${likePattern(q)}`;

function filters(query: ProjectsQueryDto, q: string | undefined, values: SqlValues): string[] {
  const { tags, without_tags, status, content_rating, original_language, is_hidden } = query;
  const conditions: [isGiven: boolean, condition: () => string][] = [
    [q !== undefined, () => `(${isPart(q!)} or ${q!} <% p.search_text)`],
    [tags !== undefined, () => `p.tags @> ${values.add(tags)}::text[]`],
    [without_tags !== undefined, () => `not p.tags && ${values.add(without_tags)}::text[]`],
    [status !== undefined, () => `p.status = any (${values.add(status)}::text[])`],
    [content_rating !== undefined, () => `p.content_rating = any (${values.add(content_rating)}::text[])`],
    [original_language !== undefined, () => `p.original_language = ${values.add(original_language)}`],
    [is_hidden !== undefined, () => `p.is_hidden = ${values.add(is_hidden)}`],
  ];
  return conditions.filter(([isGiven]) => isGiven).map(([, condition]) => condition());
}

function toCursorKey({ sort_value, id }: Row): string {
  const key = sort_value instanceof Date ? sort_value.getTime() : (sort_value ?? 0);
  return JSON.stringify([key, id] satisfies Position);
}

function readPosition(cursor: string | undefined, sort: ProjectSort): Position | undefined {
  const key = readCursor(cursor, (text) => parsePosition(text, sort) !== undefined);
  return key === undefined ? undefined : parsePosition(key, sort);
}

function parsePosition(text: string, sort: ProjectSort): Position | undefined {
  const [key, id, ...others] = parseArray(text);
  return isKeyOf[sort](key) && isUuid(id) && others.length === 0 ? [key as string | number, id as string] : undefined;
}

/** Whether the order can compare with this key: PostgreSQL refuses numbers and dates out of range. */
const isKeyOf: Record<ProjectSort, (key: unknown) => boolean> = {
  title: (key) => typeof key === 'string' && isStorable(key),
  relevance: (key) => Number.isInteger(key) && (key as number) >= 0 && (key as number) <= MAX_SCORE,
  updated: (key) => Number.isInteger(key) && Math.abs(key as number) < 2 ** 43,
  created: (key) => key === 0,
};
