import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Avatars, what rejected ones looked like, and whose files are to be deleted. */
export class Avatars1795275000000 implements MigrationInterface {
  name = 'Avatars1795275000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table avatars (
    id uuid not null,
    user_id uuid not null,
    state text not null,
    hash text not null,
    resembles_rejected boolean not null,
    created_at timestamptz not null,
    decided_at timestamptz,
    decided_by uuid,
    reason text,
    locked_until timestamptz,
    constraint avatars_pkey primary key (id),
    constraint avatars_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint avatars_state_check check (state in ('pending', 'approved', 'rejected', 'withdrawn')),
    constraint avatars_hash_check check (hash ~ '^[01]{128}$'),
    constraint avatars_reason_check check (length(reason) between 1 and 500)
  )`,
  `create unique index avatars_pending_key on avatars (user_id) where state = 'pending'`,
  `create unique index avatars_approved_key on avatars (user_id) where state = 'approved'`,
  `create index avatars_user_id_idx on avatars (user_id, id)`,
  `create index avatars_state_idx on avatars (state, id)`,

  `alter table users
    add avatar_id uuid,
    add constraint users_avatar_id_fkey foreign key (avatar_id) references avatars (id) on delete set null`,
  `create index users_avatar_id_idx on users (avatar_id)`,

  `create table rejected_pictures (
    id uuid not null,
    hash text not null,
    created_at timestamptz not null,
    constraint rejected_pictures_pkey primary key (id),
    constraint rejected_pictures_hash_check check (hash ~ '^[01]{128}$')
  )`,

  // Whatever way a row loses its files by, a deleted user's included, they are on the list in the same transaction.
  `create table avatar_removals (
    avatar_id uuid not null,
    constraint avatar_removals_pkey primary key (avatar_id)
  )`,
  `create function remove_avatar_files() returns trigger language plpgsql as $$
  begin
    insert into avatar_removals values (old.id) on conflict do nothing;
    return null;
  end $$`,
  `create trigger remove_files_of_deleted after delete on avatars
    for each row when (old.state in ('pending', 'approved')) execute function remove_avatar_files()`,
  `create trigger remove_files_of_decided after update on avatars
    for each row when (old.state in ('pending', 'approved') and new.state in ('rejected', 'withdrawn'))
    execute function remove_avatar_files()`,
];

const DOWN = [
  `alter table users drop avatar_id`,
  `drop table avatar_removals`,
  `drop table rejected_pictures`,
  `drop table avatars`,
  `drop function remove_avatar_files()`,
];
