import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The covers of projects. Their files are stored and deleted like those of pages. */
export class Covers1808000002000 implements MigrationInterface {
  name = 'Covers1808000002000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `alter table projects
    add cover_id uuid,
    add cover jsonb,
    add constraint projects_cover_check check ((cover_id is null) = (cover is null))`,
  `create unique index projects_cover_id_key on projects (cover_id)`,
  `create function remove_cover_files() returns trigger language plpgsql as $$
  begin
    insert into page_removals values (old.cover_id) on conflict do nothing;
    return null;
  end $$`,
  `create trigger remove_files_of_deleted after delete on projects
    for each row when (old.cover_id is not null) execute function remove_cover_files()`,
  `create trigger remove_files_of_replaced after update of cover_id on projects
    for each row when (old.cover_id is not null and old.cover_id is distinct from new.cover_id)
    execute function remove_cover_files()`,
];

const DOWN = [
  `insert into page_removals select cover_id from projects where cover_id is not null on conflict do nothing`,
  `drop trigger remove_files_of_deleted on projects`,
  `drop trigger remove_files_of_replaced on projects`,
  `alter table projects drop cover_id, drop cover`,
  `drop function remove_cover_files()`,
];
