import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTables } from './lock-tables.js';

/**
 * Projects carry the time of their newest chapter, so that a list of the projects that were updated last is read from an index. See
 * docs/decisions/newest-chapters.md.
 */
export class NewestChapters1809780000000 implements MigrationInterface {
  name = 'NewestChapters1809780000000';

  async up(runner: QueryRunner): Promise<void> {
    await lockTables(runner, 'projects', 'chapters');
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTables(runner, 'projects', 'chapters');
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

  // The locks come first: a statement that waits for one would count the chapters as they were before. Once per statement, since a change
  // of a project can change all its chapters.
  `create function update_newest_at() returns trigger language plpgsql set search_path from current as $$
  declare
    _ids uuid[];
  begin
    if tg_op = 'UPDATE' then
      select array_agg(distinct c.project_id) into _ids from changed c join former f using (id)
      where (c.state, c.is_hidden, c.shown_at, c.release_at) is distinct from (f.state, f.is_hidden, f.shown_at, f.release_at);
    else
      select array_agg(distinct project_id) into _ids from changed where state = 'published';
    end if;
    if _ids is null then
      return null;
    end if;
    perform from projects where id = any (_ids) order by id for no key update;
    update projects p set newest_at = n.at
    from (
      select id, coalesce(newest_chapter_at(id), created_at) as at from projects where id = any (_ids) and not is_hidden
    ) n
    where p.id = n.id and p.newest_at <> n.at;
    return null;
  end $$`,
  `create trigger newest_chapter_inserted after insert on chapters referencing new table as changed
  for each statement execute function update_newest_at()`,
  `create trigger newest_chapter_deleted after delete on chapters referencing old table as changed
  for each statement execute function update_newest_at()`,
  `create trigger newest_chapter_changed after update on chapters referencing old table as former new table as changed
  for each statement execute function update_newest_at()`,

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
