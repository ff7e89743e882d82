import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Projects with their slugs and revisions, chapters, and release groups. */
export class ProjectsAndChapters1803001000000 implements MigrationInterface {
  name = 'ProjectsAndChapters1803001000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of TABLES.toReversed()) await runner.query(`drop table ${table}`);
  }
}

const TABLES = [
  'projects',
  'project_slugs',
  'project_revisions',
  'release_groups',
  'chapters',
  'chapter_release_groups',
];

const UP = [
  `create table projects (
    id uuid not null,
    slug text not null,
    title text not null,
    alternative_titles jsonb not null,
    description text not null,
    status text not null,
    original_language text not null,
    content_rating text not null,
    reading_direction text not null,
    tags text[] not null,
    people jsonb not null,
    is_hidden boolean not null default false,
    version integer not null default 1,
    search_text text not null,
    sort_title text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint projects_pkey primary key (id),
    constraint projects_slug_key unique (slug),
    constraint projects_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint projects_status_check check (status in ('announced', 'ongoing', 'hiatus', 'completed', 'cancelled')),
    constraint projects_content_rating_check check (content_rating in ('everyone', 'teen', 'mature', 'adult')),
    constraint projects_reading_direction_check
      check (reading_direction in ('right_to_left', 'left_to_right', 'vertical'))
  )`,
  `create index projects_sort_title_idx on projects (sort_title, id)`,
  `create index projects_tags_idx on projects using gin (tags)`,
  `create index projects_search_idx on projects using gin (search_text gin_trgm_ops)`,
  `create table project_slugs (
    slug text not null,
    project_id uuid not null,
    constraint project_slugs_pkey primary key (slug),
    constraint project_slugs_project_id_fkey foreign key (project_id) references projects (id) on delete cascade
  )`,
  `create index project_slugs_project_id_idx on project_slugs (project_id)`,
  `create table project_revisions (
    project_id uuid not null,
    version integer not null,
    user_id uuid,
    changes jsonb not null,
    created_at timestamptz not null,
    constraint project_revisions_pkey primary key (project_id, version),
    constraint project_revisions_project_id_fkey foreign key (project_id) references projects (id) on delete cascade,
    constraint project_revisions_user_id_fkey foreign key (user_id) references users (id) on delete set null
  )`,
  `create table release_groups (
    id uuid not null,
    name citext not null,
    website text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint release_groups_pkey primary key (id),
    constraint release_groups_name_key unique (name)
  )`,
  `create table chapters (
    id uuid not null,
    project_id uuid not null,
    number text,
    number_key text collate "C" not null,
    sort_key text collate "C" not null,
    sort_as text,
    volume text,
    title text,
    language text not null,
    groups_key text not null,
    uploader_id uuid,
    state text not null,
    release_at timestamptz,
    is_hidden boolean not null default false,
    published_at timestamptz,
    shown_at timestamptz,
    page_count integer not null default 0,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint chapters_pkey primary key (id),
    constraint chapters_project_id_fkey foreign key (project_id) references projects (id) on delete cascade,
    constraint chapters_uploader_id_fkey foreign key (uploader_id) references users (id) on delete set null,
    constraint chapters_state_check
      check (state in ('draft', 'processing', 'review', 'published', 'rejected', 'failed')),
    constraint chapters_published_at_check check (state <> 'published' or published_at is not null),
    constraint chapters_page_count_check check (page_count >= 0)
  )`,
  `create unique index chapters_number_key on chapters (project_id, number_key, language, groups_key)
    where state not in ('rejected', 'failed')`,
  `create index chapters_order_idx on chapters (project_id, sort_key, number_key, id)`,
  `create index chapters_uploader_id_idx on chapters (uploader_id, project_id)`,
  `create index chapters_published_at_idx on chapters (published_at, id)`,
  `create index chapters_readable_at_idx on chapters ((greatest(shown_at, release_at)), id)`,
  `create table chapter_release_groups (
    chapter_id uuid not null,
    group_id uuid not null,
    constraint chapter_release_groups_pkey primary key (chapter_id, group_id),
    constraint chapter_release_groups_chapter_id_fkey foreign key (chapter_id) references chapters (id) on delete cascade,
    constraint chapter_release_groups_group_id_fkey foreign key (group_id) references release_groups (id)
  )`,
  `create index chapter_release_groups_group_id_idx on chapter_release_groups (group_id)`,
];
