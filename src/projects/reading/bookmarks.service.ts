import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { type Page, type PageQueryDto, toPage } from '../../http/pagination.dto.js';
import type { Caller } from '../../users/caller.js';
import { readTimeCursor, timeKey } from '../cursors.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import { visibleChapter, visibleProject } from '../visibility/visibility.js';
import { type BookmarkKind, ProjectBookmark } from './project-bookmark.entity.js';
import type { BookmarkDto } from './reading.dto.js';

/** The projects that users follow and their favourites. */
@Injectable()
export class BookmarksService {
  constructor(
    @InjectRepository(ProjectBookmark) private readonly bookmarks: Repository<ProjectBookmark>,
    private readonly projects: ProjectSearchService,
    private readonly clock: Clock,
  ) {}

  /** Adds a project to a list of the caller, unless it is there. Throws `project_not_found`. */
  async add(caller: Caller, kind: BookmarkKind, idOrSlug: string): Promise<void> {
    const { id: project_id } = await this.projects.get(readerOf(caller), idOrSlug);
    const row = { user_id: caller.id, kind, project_id, created_at: this.clock.date() };
    await insertOrIgnore(this.bookmarks.manager, ProjectBookmark, row);
  }

  /** Removes a project from a list of the caller, if it is there. Throws `project_not_found`. */
  async remove(caller: Caller, kind: BookmarkKind, idOrSlug: string): Promise<void> {
    const { id: project_id } = await this.projects.get(readerOf(caller), idOrSlug);
    await this.bookmarks.delete({ user_id: caller.id, kind, project_id });
  }

  /** The visible projects of a list of the caller, those first that were added last. Throws `invalid_cursor`. */
  async list(caller: Caller, kind: BookmarkKind, { limit, cursor }: PageQueryDto): Promise<Page<BookmarkDto>> {
    const reader = readerOf(caller);
    const after = readTimeCursor(cursor);
    const values = new SqlValues();
    const conditions = [`b.user_id = ${values.add(caller.id)}::uuid`, `b.kind = ${values.add(kind)}`];
    if (after) {
      conditions.push(
        `(b.created_at, b.project_id) < (${values.add(after[0])}::timestamptz, ${values.add(after[1])}::uuid)`,
      );
    }
    const rows = await this.bookmarks.query<{ project_id: string; created_at: Date }[]>(
      `select b.project_id, b.created_at from project_bookmarks b join projects p on p.id = b.project_id
        where ${conditions.join(' and ')} and ${visibleProject(reader, values)}
        order by b.created_at desc, b.project_id desc limit ${values.add(limit + 1)}`,
      values.all,
    );
    const page = toPage(
      rows,
      limit,
      (row) => timeKey(row.created_at, row.project_id),
      (row) => row,
    );
    const ids = page.items.map(({ project_id }) => project_id);
    const projects = new Map((await this.projects.listByIds(reader, ids)).map((project) => [project.id, project]));
    const unread = await this.countUnread(reader, ids);
    const items = page.items.flatMap(({ project_id, created_at }) => {
      const project = projects.get(project_id); // hidden or deleted meanwhile
      if (!project) return [];
      const unread_count = unread.get(project_id) ?? 0;
      return [{ project: this.projects.toDto(reader, project), unread_count, created_at }];
    });
    return { ...page, items };
  }

  /** Published chapters of these projects that the reader sees and has not read, by project; one query for all. */
  private async countUnread(reader: Reader, projectIds: string[]): Promise<Map<string, number>> {
    const values = new SqlValues();
    const rows = await this.bookmarks.query<{ project_id: string; count: number }[]>(
      `select c.project_id, count(*)::int as count from chapters c join projects p on p.id = c.project_id
        where c.project_id = any (${values.add(projectIds)}::uuid[]) and c.state = 'published'
          and ${visibleChapter(reader, this.clock.date(), values)}
          and not exists (select from chapter_progress r
            where r.user_id = ${values.add(reader.id)}::uuid and r.chapter_id = c.id and r.is_read)
        group by c.project_id`,
      values.all,
    );
    return new Map(rows.map(({ project_id, count }) => [project_id, count]));
  }
}
