import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Reports on projects and chapters. */
export class Reports1803004000000 implements MigrationInterface {
  name = 'Reports1803004000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create table reports (
      id uuid not null,
      project_id uuid not null,
      chapter_id uuid,
      reporter_id uuid,
      reason text not null,
      text text not null,
      state text not null,
      decided_by uuid,
      decided_at timestamptz,
      note text,
      created_at timestamptz not null,
      constraint reports_pkey primary key (id),
      constraint reports_project_id_fkey foreign key (project_id) references projects (id) on delete cascade,
      constraint reports_chapter_id_fkey foreign key (chapter_id) references chapters (id) on delete cascade,
      constraint reports_reporter_id_fkey foreign key (reporter_id) references users (id) on delete set null,
      constraint reports_reason_check
        check (reason in ('wrong_content', 'bad_quality', 'wrong_details', 'rights', 'other')),
      constraint reports_state_check check (state in ('open', 'resolved', 'dismissed'))
    )`);
    await runner.query('create index reports_state_idx on reports (state, id)');
    await runner.query(`create unique index reports_open_key on reports (reporter_id, coalesce(chapter_id, project_id))
      where state = 'open'`);
    await runner.query('create index reports_project_id_idx on reports (project_id)');
    await runner.query('create index reports_chapter_id_idx on reports (chapter_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table reports');
  }
}
