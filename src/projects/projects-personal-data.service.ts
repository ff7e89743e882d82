import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { SqlValues } from '../database/statements/sql-values.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart, PersonalTable } from '../personal-data/personal-data.js';
import { StagedFilesService } from './uploads/files/staged-files.service.js';
import { ANONYMOUS } from './visibility/reader.js';
import { visibleChapter, visibleProject } from './visibility/visibility.js';

const TABLES: Record<string, PersonalTable> = {
  project_bookmarks: { columns: { user_id: 'deleted' }, file: 'bookmarks.json' },
  chapter_progress: { columns: { user_id: 'deleted' }, file: 'progress.json' },
  feed_tokens: { columns: { user_id: 'deleted' }, file: 'feed-tokens.json' },
  announcement_reads: { columns: { user_id: 'deleted' }, file: 'announcement-reads.json' },
  announcements: { columns: { author_id: 'unlinked' }, file: 'announcements.json' },
  reports: { columns: { reporter_id: 'unlinked', decided_by: 'kept' }, file: 'reports.json' },
  project_revisions: { columns: { user_id: 'unlinked' }, file: 'project-revisions.json' },
  chapters: { columns: { uploader_id: 'unlinked' }, file: 'chapters.json' },
  uploads: { columns: { user_id: 'unlinked', session_id: 'kept' }, file: 'uploads.json' },
  upload_files: { columns: { upload_id: 'deleted' }, file: 'upload-files.json' },
};

const LISTS = {
  'feed-tokens': 'select id, name, created_at from feed_tokens where user_id = $1 order by id',
  'announcement-reads': 'select announcement_id, read_at from announcement_reads where user_id = $1 order by read_at',
  announcements: `select id, kind, project_id, title, body, published_at, created_at, updated_at
    from announcements where author_id = $1 order by id`,
  reports: `select id, project_id, chapter_id, reason, text, state, decided_at, note, created_at
    from reports where reporter_id = $1 order by id`,
  'project-revisions': `select project_id, version, changes, created_at
    from project_revisions where user_id = $1 order by project_id, version`,
  chapters: `select c.id, c.project_id, p.title as project, c.number, c.volume, c.title, c.language, c.state, c.rejection_reason,
      c.page_count, c.release_at, c.published_at, c.created_at, c.updated_at
    from chapters c join projects p on p.id = c.project_id where c.uploader_id = $1 order by c.id`,
  uploads: `select id, project_id, chapter_id, state, file_count, byte_count, problem, problem_file, created_at, updated_at,
      expires_at
    from uploads where user_id = $1 order by id`,
  'upload-files': `select f.id, f.upload_id, f.name, f.position, f.size, f.sha256, f.created_at
    from upload_files f join uploads u on u.id = f.upload_id where u.user_id = $1 order by u.id, f.position`,
};

/**
 * The lists that name projects and chapters of others. What is hidden or not yet released has no title and number in them, as
 * for a user without permissions: the copy outlives the permissions of its owner.
 */
function readingLists(id: string, now: Date): Record<string, { sql: string; values: unknown[] }> {
  const reader = { ...ANONYMOUS, id };
  const [ofBookmarks, ofProgress] = [new SqlValues(), new SqlValues()];
  const isProjectVisible = visibleProject(reader, ofBookmarks);
  const isChapterVisible = visibleChapter(reader, now, ofProgress);
  return {
    bookmarks: {
      sql: `select b.kind, b.project_id, case when ${isProjectVisible} then p.title end as project, b.created_at
        from project_bookmarks b join projects p on p.id = b.project_id
        where b.user_id = ${ofBookmarks.add(id)} order by b.kind, b.project_id`,
      values: ofBookmarks.all,
    },
    progress: {
      sql: `select g.chapter_id, case when ${isChapterVisible} then p.title end as project,
          case when ${isChapterVisible} then c.number end as number, g.page, g.is_read, g.changed_at
        from chapter_progress g join chapters c on c.id = g.chapter_id join projects p on p.id = c.project_id
        where g.user_id = ${ofProgress.add(id)} order by g.changed_at`,
      values: ofProgress.all,
    },
  };
}

/** Files that wait for their chapter. Those of chapters are pages. */
const STAGED_FILES = `select f.id, f.name from upload_files f join uploads u on u.id = f.upload_id
  where u.user_id = $1 and u.state in ('open', 'committing') order by f.position`;

/** What a user reads, writes and uploads. */
@Injectable()
export class ProjectsPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    private readonly staged: StagedFilesService,
    private readonly clock: Clock,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({ module: 'projects', tables: TABLES, export: (subject) => this.export(subject) });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    for (const [name, { sql, values }] of Object.entries(readingLists(id, this.clock.date()))) {
      yield { name: `projects/${name}.json`, rows: readRows(this.pool, sql, values) };
    }
    for (const [name, sql] of Object.entries(LISTS)) {
      yield { name: `projects/${name}.json`, rows: readRows(this.pool, sql, [id]) };
    }
    const { rows } = await this.pool.query<{ id: string; name: string }>(STAGED_FILES, [id]);
    for (const { id: fileId, name } of rows) {
      const file = await this.staged.open(fileId);
      // Not by the name that the user chose: it may be a path. upload-files.json has it.
      if (file) yield { name: `projects/uploads/${fileId}${extensionOf(name)}`, file };
    }
  }
}

const extensionOf = (name: string): string => /\.[a-z0-9]{1,5}$/.exec(name.toLowerCase())?.[0] ?? '';
