import { Inject, Injectable } from '@nestjs/common';
import type { CustomTypesConfig, Pool, QueryResultRow } from 'pg';
import { validate as isUuid } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { JSON_TIMES } from '../../database/statements/json-times.js';
import { prepared } from '../../database/statements/prepared.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { isStorable } from '../../http/bodies/body-shape.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { parseArray, readTimeCursor, type TimePosition, timeKey } from '../cursors.js';
import { isNamed, ProjectSearchService } from '../projects/project-search.service.js';
import type { Reader } from '../visibility/reader.js';
import { readableAt, visibleChapter, visibleProject } from '../visibility/visibility.js';
import {
  type ChapterDto,
  type ChaptersQueryDto,
  type LatestChaptersQueryDto,
  type ListedChapter,
  toChapterDto,
} from './chapters.dto.js';

const COLUMNS = `c.id, c.project_id, c.number, c.number_key, c.sort_key, c.sort_as, c.volume, c.title, c.language, c.groups_key,
  c.uploader_id, c.state, c.rejection_reason, c.release_at, c.is_hidden, c.published_at, c.shown_at, c.page_count, c.version, c.created_at,
  c.updated_at, p.slug as project_slug, p.title as project_title, p.is_hidden as project_is_hidden,
  (select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name) order by g.name, g.id), '[]')
    from chapter_release_groups r join release_groups g on g.id = r.group_id where r.chapter_id = c.id) as release_groups`;

const FROM = 'from chapters c join projects p on p.id = c.project_id';

/** The place of a chapter among those of its project. */
type Place = [sortKey: string, numberKey: string, id: string];

/** Reads chapters for readers: one, those of a project, and the latest. */
@Injectable()
export class ChapterListsService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly projects: ProjectSearchService,
    private readonly clock: Clock,
  ) {}

  /** A chapter that the reader sees. Throws `chapter_not_found`. */
  async get(reader: Reader, id: string): Promise<ListedChapter> {
    const values = new SqlValues();
    const isWanted = `c.id = ${values.add(id)}::uuid`;
    const [chapter] = await this.select(reader, values, (visible) => `where ${isWanted} and ${visible}`);
    if (!chapter) throw new Problem('chapter_not_found');
    return chapter;
  }

  /** Those of these chapters that the reader sees, in no particular order. */
  async listByIds(reader: Reader, ids: string[]): Promise<ListedChapter[]> {
    const values = new SqlValues();
    const areWanted = `c.id = any (${values.add(ids)}::uuid[])`;
    return ids.length === 0 ? [] : this.select(reader, values, (visible) => `where ${areWanted} and ${visible}`);
  }

  /** The chapters of a project that the reader sees, by number. Throws `project_not_found`, `invalid_cursor`. */
  async listOfProject(reader: Reader, idOrSlug: string, query: ChaptersQueryDto): Promise<Page<ChapterDto>> {
    const { rows, next_cursor } = await this.findOfProject(reader, idOrSlug, query, JSON_TIMES);
    return { items: rows.map(toChapterDto), next_cursor };
  }

  /** Like `listOfProject`, as rows. With JSON_TIMES, their times are not Dates. */
  async findOfProject(
    reader: Reader,
    idOrSlug: string,
    query: ChaptersQueryDto,
    types?: CustomTypesConfig,
  ): Promise<{ rows: ListedChapter[]; next_cursor: string | null }> {
    const after = readPlace(query.cursor);
    const values = new SqlValues();
    const conditions = [isNamed(idOrSlug, values), visibleProject(reader, values)];
    if (query.language !== undefined) conditions.push(`c.language = ${values.add(query.language)}`);
    if (query.release_group !== undefined) {
      conditions.push(`exists (select from chapter_release_groups r
        where r.chapter_id = c.id and r.group_id = ${values.add(query.release_group)}::uuid)`);
    }
    const { order = 'asc' } = query;
    if (after)
      conditions.push(`(c.sort_key, c.number_key, c.id) ${order === 'asc' ? '>' : '<'} ${placeSql(after, values)}`);
    const rows = await this.select(
      reader,
      values,
      (visible) => `where ${conditions.join(' and ')} and ${visible}
        order by c.sort_key ${order}, c.number_key ${order}, c.id ${order} limit ${values.add(query.limit + 1)}`,
      types,
    );
    if (rows.length === 0) await this.projects.getId(reader, idOrSlug); // there may be no such project
    const page = toPage(
      rows,
      query.limit,
      (row) => JSON.stringify(placeOf(row)),
      (row) => row,
    );
    return { rows: page.items, next_cursor: page.next_cursor };
  }

  /**
   * The published chapters of all projects that the reader sees, those first that the reader could read last. Throws
   * `invalid_cursor`.
   */
  async listLatest(reader: Reader, query: LatestChaptersQueryDto): Promise<Page<ChapterDto>> {
    const rows = await this.findLatest(reader, { ...query, after: readTimeCursor(query.cursor) });
    return toPage(rows, query.limit, (row) => timeKey(row.readable_at!, row.id), toChapterDto);
  }

  /** Like `listLatest`, one row more than the limit; `where` adds a condition on `c`. */
  async findLatest(
    reader: Reader,
    {
      language,
      limit,
      after,
      where,
    }: {
      language?: string | undefined;
      limit: number;
      after?: TimePosition | undefined;
      where?: (values: SqlValues) => string;
    },
  ): Promise<ListedChapter[]> {
    const values = new SqlValues();
    const conditions = [`c.state = 'published'`];
    if (where) conditions.push(where(values));
    if (language !== undefined) conditions.push(`c.language = ${values.add(language)}`);
    const position = after && `(${values.add(after[0])}::timestamptz, ${values.add(after[1])}::uuid)`;
    const count = values.add(limit + 1);
    const page = (at: string, ...others: string[]): string => `where ${[...conditions, ...others].join(' and ')}
      ${position ? `and (${at}, c.id) < ${position}` : ''} order by ${at} desc, c.id desc limit ${count}`;
    const ofOthers = readableAt(reader, values, false);
    if (!(await this.hasUploads(reader))) return this.select(reader, values, (visible) => page(ofOthers, visible));
    // The two times have an index each, what combines them has none.
    const own = `c.uploader_id = ${values.add(reader.id)}::uuid`;
    const at = readableAt(reader, values);
    return this.select(
      reader,
      values,
      (visible) => `where c.id = any (array(
        (select c.id ${FROM} ${page(ofOthers, visible, `(${own}) is not true`)})
        union all (select c.id ${FROM} ${page('c.published_at', own)})))
      order by ${at} desc, c.id desc limit ${count}`,
    );
  }

  /** Chapters that wait for approval and that the reader sees, oldest first; one row more than the limit. */
  findInReview(reader: Reader, limit: number, after: string | undefined): Promise<ListedChapter[]> {
    const values = new SqlValues();
    const isAfter = after === undefined ? 'true' : `c.id > ${values.add(after)}::uuid`;
    return this.select(
      reader,
      values,
      (visible) =>
        `where c.state = 'review' and ${isAfter} and ${visible} order by c.id limit ${values.add(limit + 1)}`,
    );
  }

  /** The visible chapters before and after a chapter, in its language; of several with one number, those of its groups. */
  async findNeighbours(
    reader: Reader,
    chapter: ListedChapter,
  ): Promise<{ previous_id: string | null; next_id: string | null }> {
    return {
      previous_id: await this.findNeighbour(reader, chapter, '<'),
      next_id: await this.findNeighbour(reader, chapter, '>'),
    };
  }

  private async findNeighbour(reader: Reader, chapter: ListedChapter, sign: '<' | '>'): Promise<string | null> {
    const values = new SqlValues();
    const { project_id, language, sort_key, number_key, groups_key } = chapter;
    const direction = sign === '>' ? 'asc' : 'desc';
    const [neighbour] = await this.query<{ id: string }>(
      `select c.id ${FROM} where c.project_id = ${values.add(project_id)}::uuid and c.language = ${values.add(language)}
        and (c.sort_key, c.number_key) ${sign} (${values.add(sort_key)}::text, ${values.add(number_key)}::text)
        and ${visibleChapter(reader, this.clock.date(), values)}
        order by c.sort_key ${direction}, c.number_key ${direction}, c.groups_key <> ${values.add(groups_key)}, c.id limit 1`,
      values,
    );
    return neighbour?.id ?? null;
  }

  /** Whether the reader has uploaded chapters. */
  private async hasUploads({ id, seesHidden }: Reader): Promise<boolean> {
    if (id === null || seesHidden) return false;
    const values = new SqlValues();
    const text = `select exists (select from chapters where uploader_id = ${values.add(id)}::uuid) as has_uploads`;
    return (await this.query<{ has_uploads: boolean }>(text, values))[0]!.has_uploads;
  }

  private select(
    reader: Reader,
    values: SqlValues,
    where: (visible: string) => string,
    types?: CustomTypesConfig,
  ): Promise<ListedChapter[]> {
    const at = readableAt(reader, values);
    const visible = visibleChapter(reader, this.clock.date(), values);
    return this.query<ListedChapter>(
      `select ${COLUMNS}, case when c.state = 'published' then ${at} end as readable_at ${FROM} ${where(visible)}`,
      values,
      types,
    );
  }

  private async query<Row extends QueryResultRow>(
    text: string,
    values: SqlValues,
    types?: CustomTypesConfig,
  ): Promise<Row[]> {
    return (await this.pool.query<Row>(prepared(text, values.all, types))).rows;
  }
}

const placeOf = ({ sort_key, number_key, id }: ListedChapter): Place => [sort_key, number_key, id];

const placeSql = ([sortKey, numberKey, id]: Place, values: SqlValues): string =>
  `(${values.add(sortKey)}::text, ${values.add(numberKey)}::text, ${values.add(id)}::uuid)`;

function readPlace(cursor: string | undefined): Place | undefined {
  const key = readCursor(cursor, (text) => parsePlace(text) !== undefined);
  return key === undefined ? undefined : parsePlace(key);
}

function parsePlace(text: string): Place | undefined {
  const [sortKey, numberKey, id, ...others] = parseArray(text);
  const areKeys = [sortKey, numberKey].every((key) => typeof key === 'string' && isStorable(key));
  return areKeys && isUuid(id) && others.length === 0
    ? [sortKey as string, numberKey as string, id as string]
    : undefined;
}
