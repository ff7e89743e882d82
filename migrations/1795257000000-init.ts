import type { MigrationInterface, QueryRunner } from 'typeorm';

/** People, groups, sessions; the search index; the rule that an administrator remains. */
export class Init1795257000000 implements MigrationInterface {
  name = 'Init1795257000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // citext folds by the database's own collation, and in a Turkish one "I" is no capital "i": names would not be unique.
  `do $$ begin
    if lower('I') <> 'i' then
      raise exception 'the collation of this database folds "I" unlike the internet does: create it with the locale C.UTF-8';
    end if;
  end $$`,
  `create extension if not exists citext`,
  `create extension if not exists pg_trgm`,
  `create extension if not exists unaccent`,

  `create table users (
    id uuid not null,
    username citext not null,
    email text,
    password_hash text,
    fullname text not null,
    phone_number text,
    address text,
    birthday date,
    is_active boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint users_pkey primary key (id),
    constraint users_username_key unique (username),
    constraint users_email_key unique (email),
    constraint users_username_check check (username ~ '^[A-Za-z0-9._-]{3,30}$'),
    constraint users_text_check check (length(fullname) between 1 and 100 and length(email) <= 254 and length(address) <= 300),
    constraint users_phone_number_check check (phone_number ~ '^\\+[1-9][0-9]{6,14}$')
  )`,
  `create table groups (
    id uuid not null,
    name citext not null,
    permissions text[] not null default '{}',
    early_access_days integer not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint groups_pkey primary key (id),
    constraint groups_name_key unique (name),
    constraint groups_name_check check (length(name) between 1 and 64),
    constraint groups_permissions_check check (permissions <@ '{admin,early_access,manage_projects,upload_chapters,moderate_avatars,view_hidden,manage_vaccines,verify_registrations,view_vaccine_reports,moderate_chat}'::text[]),
    constraint groups_early_access_days_check check (early_access_days between 0 and 365)
  )`,
  `create table group_members (
    group_id uuid not null,
    user_id uuid not null,
    created_at timestamptz not null,
    constraint group_members_pkey primary key (group_id, user_id),
    constraint group_members_group_id_fkey foreign key (group_id) references groups (id) on delete cascade,
    constraint group_members_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index group_members_user_id_idx on group_members (user_id)`,
  `create table sessions (
    id uuid not null,
    user_id uuid not null,
    token_id uuid not null,
    user_agent text,
    ip inet,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    expires_at timestamptz,
    constraint sessions_pkey primary key (id),
    constraint sessions_token_id_key unique (token_id),
    constraint sessions_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index sessions_user_id_idx on sessions (user_id)`,

  // unaccent() is only "stable", because its dictionary could be changed; an index needs a promise that it is not.
  `create function fold_text(text) returns text language sql immutable strict parallel safe
    return lower(unaccent('unaccent'::regdictionary, $1))`,
  `create index users_search_idx on users using gin (fold_text(username || ' ' || fullname) gin_trgm_ops)`,

  // Checked when a transaction commits, one at a time: two that each leave the other's administrator cannot both pass.
  `create function keep_an_administrator() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock(1835098977);
    if not exists (
      select from users u join group_members m on m.user_id = u.id join groups g on g.id = m.group_id
      where u.is_active and 'admin' = any (g.permissions)
    ) then
      raise exception 'no active administrator would be left' using errcode = 'MA001';
    end if;
    return null;
  end $$`,
  `create constraint trigger keep_an_administrator_deactivated after update on users deferrable initially deferred
    for each row when (old.is_active and not new.is_active) execute function keep_an_administrator()`,
  `create constraint trigger keep_an_administrator_left after delete on group_members deferrable initially deferred
    for each row execute function keep_an_administrator()`,
  `create constraint trigger keep_an_administrator_group_changed after update on groups deferrable initially deferred
    for each row when ('admin' = any (old.permissions) and not 'admin' = any (new.permissions))
    execute function keep_an_administrator()`,

  // A reactivated user starts without the sessions of before.
  `create function end_sessions() returns trigger language plpgsql as $$
  begin
    delete from sessions where user_id = new.id;
    return null;
  end $$`,
  `create trigger end_sessions_of_deactivated after update on users
    for each row when (old.is_active and not new.is_active) execute function end_sessions()`,
];

/** The extensions stay: they may have been there before, and others may use them. */
const DOWN = [
  `drop table sessions`,
  `drop table group_members`,
  `drop table groups`,
  `drop table users`,
  `drop function end_sessions()`,
  `drop function keep_an_administrator()`,
  `drop function fold_text(text)`,
];
