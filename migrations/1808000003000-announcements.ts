import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Announcements and blog posts, and who has read them. */
export class Announcements1808000003000 implements MigrationInterface {
  name = 'Announcements1808000003000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create table announcements (
      id uuid not null,
      kind text not null,
      project_id uuid,
      author_id uuid,
      title text not null,
      body text not null,
      published_at timestamptz not null,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint announcements_pkey primary key (id),
      constraint announcements_project_id_fkey foreign key (project_id) references projects (id) on delete cascade,
      constraint announcements_author_id_fkey foreign key (author_id) references users (id) on delete set null,
      constraint announcements_kind_check check (kind in ('announcement', 'post'))
    )`);
    await runner.query('create index announcements_published_at_idx on announcements (published_at, id)');
    await runner.query('create index announcements_project_id_idx on announcements (project_id)');
    await runner.query(`create table announcement_reads (
      user_id uuid not null,
      announcement_id uuid not null,
      read_at timestamptz not null,
      constraint announcement_reads_pkey primary key (user_id, announcement_id),
      constraint announcement_reads_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
      constraint announcement_reads_announcement_id_fkey
        foreign key (announcement_id) references announcements (id) on delete cascade
    )`);
    await runner.query('create index announcement_reads_announcement_id_idx on announcement_reads (announcement_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table announcement_reads');
    await runner.query('drop table announcements');
  }
}
