import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The pages of chapters, and whose files are to be deleted. */
export class Pages1808000001000 implements MigrationInterface {
  name = 'Pages1808000001000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table pages (
    id uuid not null,
    chapter_id uuid not null,
    position integer not null,
    format text not null,
    width integer not null,
    height integer not null,
    sizes jsonb not null,
    crc32 bigint not null,
    constraint pages_pkey primary key (id),
    constraint pages_chapter_id_fkey foreign key (chapter_id) references chapters (id) on delete cascade,
    constraint pages_position_key unique (chapter_id, position) deferrable initially immediate,
    constraint pages_position_check check (position >= 1),
    constraint pages_format_check check (format in ('jpeg', 'png', 'webp', 'avif')),
    constraint pages_size_check check (width between 1 and 10000 and height between 1 and 10000)
  )`,
  // Whatever way a page is deleted by, a deleted project's included, it is on the list in the same transaction.
  `create table page_removals (
    page_id uuid not null,
    constraint page_removals_pkey primary key (page_id)
  )`,
  `create function remove_page_files() returns trigger language plpgsql as $$
  begin
    insert into page_removals select id from removed on conflict do nothing;
    return null;
  end $$`,
  `create trigger remove_files_of_deleted after delete on pages
    referencing old table as removed for each statement execute function remove_page_files()`,
];

const DOWN = [`drop table page_removals`, `drop table pages`, `drop function remove_page_files()`];
