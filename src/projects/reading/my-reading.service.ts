import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { type Page, type PageQueryDto, toPage } from '../../http/pagination.dto.js';
import type { Caller } from '../../users/caller.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import { type ListedChapter, toChapterDto } from '../chapters/chapters.dto.js';
import { readTimeCursor, type TimePosition, timeKey } from '../cursors.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import { visibleChapter } from '../visibility/visibility.js';
import { ChapterProgress } from './chapter-progress.entity.js';
import { notOpened, ProgressService } from './progress.service.js';
import type { ChapterWithProgressDto, MyFeedQueryDto } from './reading.dto.js';

/** A chapter of a list, and the time by which the list is sorted. */
type Place = { chapter_id: string; at: Date };

/** The chapters in the lists of a user: new ones of followed projects, those to continue with, and the history. */
@Injectable()
export class MyReadingService {
  constructor(
    @InjectRepository(ChapterProgress) private readonly progress: Repository<ChapterProgress>,
    private readonly chapters: ChapterListsService,
    private readonly progressService: ProgressService,
    private readonly clock: Clock,
  ) {}

  /** The latest chapters of the projects that the caller follows. Throws `invalid_cursor`. */
  async listFeed(caller: Caller, query: MyFeedQueryDto): Promise<Page<ChapterWithProgressDto>> {
    const { limit, language, is_read } = query;
    const rows = await this.findFeed(readerOf(caller), {
      limit,
      language,
      is_read,
      after: readTimeCursor(query.cursor),
    });
    const page = toPage(
      rows,
      limit,
      (row) => timeKey(row.readable_at!, row.id),
      (row) => row,
    );
    return { ...page, items: await this.withProgress(caller, page.items) };
  }

  /** Like `listFeed`, one row more than the limit. The reader must be a user. */
  findFeed(
    reader: Reader,
    {
      is_read,
      ...options
    }: Pick<MyFeedQueryDto, 'limit' | 'language' | 'is_read'> & { after?: TimePosition | undefined },
  ): Promise<ListedChapter[]> {
    return this.chapters.findLatest(reader, {
      ...options,
      where: (values) => {
        const user = values.add(reader.id);
        const isFollowed = `c.project_id in (select b.project_id from project_bookmarks b
          where b.user_id = ${user}::uuid and b.kind = 'follow')`;
        if (is_read === undefined) return isFollowed;
        return `${isFollowed} and ${is_read ? '' : 'not '}exists (select from chapter_progress r
          where r.user_id = ${user}::uuid and r.chapter_id = c.id and r.is_read)`;
      },
    });
  }

  /**
   * For each project that the caller has read in: the chapter that was opened last, or after it was read the next one that
   * the caller sees. Projects with nothing to continue are left out. Throws `invalid_cursor`.
   */
  listContinuations(caller: Caller, query: PageQueryDto): Promise<Page<ChapterWithProgressDto>> {
    return this.listPlaces(
      caller,
      query,
      (visible, user) => `
      select n.id as chapter_id, l.changed_at as at from (
        select distinct on (c.project_id) c.project_id, c.id, c.language, c.sort_key, c.number_key, c.groups_key,
          r.is_read, r.changed_at
        from chapter_progress r join chapters c on c.id = r.chapter_id join projects p on p.id = c.project_id
        where r.user_id = ${user} and ${visible}
        order by c.project_id, r.changed_at desc, c.id) l
      cross join lateral (
        select l.id where not l.is_read
        union all (
          select c.id from chapters c join projects p on p.id = c.project_id
          where l.is_read and c.project_id = l.project_id and c.language = l.language and c.state = 'published'
            and (c.sort_key, c.number_key) > (l.sort_key, l.number_key) and ${visible}
          order by c.sort_key, c.number_key, c.groups_key <> l.groups_key, c.id limit 1)) n`,
    );
  }

  /** The visible chapters that the caller has opened, the last one first. Throws `invalid_cursor`. */
  listHistory(caller: Caller, query: PageQueryDto): Promise<Page<ChapterWithProgressDto>> {
    return this.listPlaces(
      caller,
      query,
      (visible, user) => `
      select r.chapter_id, r.changed_at as at
      from chapter_progress r join chapters c on c.id = r.chapter_id join projects p on p.id = c.project_id
      where r.user_id = ${user} and ${visible}`,
    );
  }

  private async listPlaces(
    caller: Caller,
    { limit, cursor }: PageQueryDto,
    select: (visible: string, user: string) => string,
  ): Promise<Page<ChapterWithProgressDto>> {
    const after = readTimeCursor(cursor);
    const values = new SqlValues();
    const visible = visibleChapter(readerOf(caller), this.clock.date(), values);
    const places = select(visible, `${values.add(caller.id)}::uuid`);
    const isAfter = after
      ? `where (at, chapter_id) < (${values.add(after[0])}::timestamptz, ${values.add(after[1])}::uuid)`
      : '';
    const rows = await this.progress.query<Place[]>(
      `select * from (${places}) places ${isAfter} order by at desc, chapter_id desc limit ${values.add(limit + 1)}`,
      values.all,
    );
    const page = toPage(
      rows,
      limit,
      ({ at, chapter_id }) => timeKey(at, chapter_id),
      ({ chapter_id }) => chapter_id,
    );
    const chapters = await this.chapters.listByIds(readerOf(caller), page.items);
    const byId = new Map(chapters.map((chapter) => [chapter.id, chapter]));
    const found = page.items.map((id) => byId.get(id)).filter((chapter) => chapter !== undefined);
    return { ...page, items: await this.withProgress(caller, found) };
  }

  private async withProgress(caller: Caller, chapters: ListedChapter[]): Promise<ChapterWithProgressDto[]> {
    const progress = await this.progressService.listByChapters(
      caller,
      chapters.map(({ id }) => id),
    );
    return chapters.map((chapter) => ({
      chapter: toChapterDto(chapter),
      progress: progress.get(chapter.id) ?? notOpened(chapter.id),
    }));
  }
}
