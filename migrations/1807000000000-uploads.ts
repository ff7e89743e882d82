import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Uploads of chapters and their files. */
export class Uploads1807000000000 implements MigrationInterface {
  name = 'Uploads1807000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table upload_files');
    await runner.query('drop table uploads');
  }
}

const UP = [
  `create table uploads (
    id uuid not null,
    user_id uuid,
    project_id uuid,
    chapter_id uuid,
    state text not null,
    version integer not null default 1,
    file_count integer not null default 0,
    byte_count bigint not null default 0,
    done integer not null default 0,
    problem text,
    problem_file text,
    session_id uuid,
    claim_id uuid,
    claimed_until timestamptz,
    attempts integer not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz not null,
    constraint uploads_pkey primary key (id),
    constraint uploads_user_id_fkey foreign key (user_id) references users (id) on delete set null,
    constraint uploads_project_id_fkey foreign key (project_id) references projects (id) on delete set null,
    constraint uploads_chapter_id_fkey foreign key (chapter_id) references chapters (id) on delete set null,
    constraint uploads_state_check check (state in ('open', 'committing', 'committed', 'failed', 'abandoned')),
    constraint uploads_counts_check check (file_count >= 0 and byte_count >= 0 and done between 0 and file_count)
  )`,
  `create unique index uploads_user_id_key on uploads (user_id) where state in ('open', 'committing')`,
  `create index uploads_user_id_idx on uploads (user_id, id)`,
  `create index uploads_committing_idx on uploads (claimed_until) where state = 'committing'`,
  `create index uploads_expires_at_idx on uploads (expires_at)`,
  `create index uploads_project_id_idx on uploads (project_id)`,
  `create index uploads_chapter_id_idx on uploads (chapter_id)`,
  `create table upload_files (
    id uuid not null,
    upload_id uuid not null,
    name text not null,
    name_key text collate "C" not null,
    position integer not null,
    size integer not null,
    sha256 text not null,
    created_at timestamptz not null,
    page_id uuid,
    constraint upload_files_pkey primary key (id),
    constraint upload_files_upload_id_fkey foreign key (upload_id) references uploads (id) on delete cascade,
    constraint upload_files_name_key unique (upload_id, name_key),
    constraint upload_files_position_key unique (upload_id, position) deferrable initially immediate,
    constraint upload_files_size_check check (size > 0)
  )`,
];
