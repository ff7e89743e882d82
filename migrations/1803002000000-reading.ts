import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What users follow and how far they have read. */
export class Reading1803002000000 implements MigrationInterface {
  name = 'Reading1803002000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create table project_bookmarks (
      user_id uuid not null,
      kind text not null,
      project_id uuid not null,
      created_at timestamptz not null,
      constraint project_bookmarks_pkey primary key (user_id, kind, project_id),
      constraint project_bookmarks_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
      constraint project_bookmarks_project_id_fkey foreign key (project_id) references projects (id) on delete cascade,
      constraint project_bookmarks_kind_check check (kind in ('follow', 'favourite'))
    )`);
    await runner.query(`create index project_bookmarks_project_id_idx on project_bookmarks (project_id)`);
    await runner.query(`create table chapter_progress (
      user_id uuid not null,
      chapter_id uuid not null,
      page integer not null,
      is_read boolean not null,
      changed_at timestamptz not null,
      constraint chapter_progress_pkey primary key (user_id, chapter_id),
      constraint chapter_progress_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
      constraint chapter_progress_chapter_id_fkey foreign key (chapter_id) references chapters (id) on delete cascade,
      constraint chapter_progress_page_check check (page >= 0)
    )`);
    await runner.query(
      `create index chapter_progress_changed_at_idx on chapter_progress (user_id, changed_at, chapter_id)`,
    );
    await runner.query(`create index chapter_progress_chapter_id_idx on chapter_progress (chapter_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table chapter_progress');
    await runner.query('drop table project_bookmarks');
  }
}
