import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Projects carry the time of their newest chapter, so that a list of the projects that were updated last is read from an index. See
 * docs/decisions/newest-chapters.md.
 */
export class NewestChapters1809780000000 implements MigrationInterface {
  name = 'NewestChapters1809780000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  'alter table projects add column newest_at timestamptz',

  // The expression and the condition of chapters_latest_idx.
  `create function newest_chapter_at(_project_id uuid) returns timestamptz language sql stable set search_path from current as $$
    select greatest(shown_at, release_at) from chapters
    where project_id = _project_id and state = 'published' and not is_hidden and greatest(shown_at, release_at) is not null
    order by project_id desc, greatest(shown_at, release_at) desc, id desc limit 1
  $$`,

  `create function set_newest_at() returns trigger language plpgsql set search_path from current as $$
  begin
    new.newest_at := coalesce(case when new.is_hidden then null else newest_chapter_at(new.id) end, new.created_at);
    return new;
  end $$`,
  `create trigger set_newest_at before insert or update of is_hidden on projects
  for each row execute function set_newest_at()`,

  // The lock comes first: a statement that waits for it would count the chapters as they were before.
  `create function update_newest_at() returns trigger language plpgsql set search_path from current as $$
  declare
    _project_id uuid := case when tg_op = 'DELETE' then old.project_id else new.project_id end;
  begin
    perform from projects where id = _project_id for no key update;
    update projects set newest_at = coalesce(newest_chapter_at(id), created_at) where id = _project_id and not is_hidden;
    return null;
  end $$`,
  `create trigger newest_chapter_inserted after insert on chapters
  for each row when (new.state = 'published') execute function update_newest_at()`,
  `create trigger newest_chapter_deleted after delete on chapters
  for each row when (old.state = 'published') execute function update_newest_at()`,
  `create trigger newest_chapter_changed after update on chapters
  for each row when ((old.state, old.is_hidden, old.shown_at, old.release_at)
    is distinct from (new.state, new.is_hidden, new.shown_at, new.release_at)) execute function update_newest_at()`,

  `update projects set newest_at = coalesce(case when is_hidden then null else newest_chapter_at(id) end, created_at)`,
  'alter table projects alter column newest_at set not null',
  'create index projects_newest_at_idx on projects (newest_at, id)',
];

const DOWN = [
  'drop index projects_newest_at_idx',
  ...['inserted', 'deleted', 'changed'].map((event) => `drop trigger newest_chapter_${event} on chapters`),
  'drop trigger set_newest_at on projects',
  'drop function update_newest_at()',
  'drop function set_newest_at()',
  'drop function newest_chapter_at(uuid)',
  'alter table projects drop column newest_at',
];
