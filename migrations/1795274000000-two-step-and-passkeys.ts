import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Codes as a second step of signing in; passkeys. */
export class TwoStepAndPasskeys1795274000000 implements MigrationInterface {
  name = 'TwoStepAndPasskeys1795274000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table two_step (
    user_id uuid not null,
    secret bytea not null,
    confirmed_at timestamptz,
    last_step integer not null default 0,
    wrong_codes integer not null default 0,
    blocked_until timestamptz,
    recovery_hashes text[] not null default '{}',
    constraint two_step_pkey primary key (user_id),
    constraint two_step_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create table two_step_challenges (
    challenge_hash bytea not null,
    user_id uuid not null,
    password_hash text,
    wrong_codes integer not null default 0,
    expires_at timestamptz not null,
    constraint two_step_challenges_pkey primary key (challenge_hash),
    constraint two_step_challenges_user_id_fkey foreign key (user_id) references two_step (user_id) on delete cascade
  )`,
  `create index two_step_challenges_user_id_idx on two_step_challenges (user_id)`,
  `create index two_step_challenges_expires_at_idx on two_step_challenges (expires_at)`,

  `create table passkeys (
    id uuid not null,
    user_id uuid not null,
    name text not null,
    credential_id text not null,
    public_key bytea not null,
    counter bigint not null,
    transports text[] not null default '{}',
    is_synced boolean not null,
    created_at timestamptz not null,
    last_used_at timestamptz,
    constraint passkeys_pkey primary key (id),
    constraint passkeys_credential_id_key unique (credential_id),
    constraint passkeys_name_check check (length(name) between 1 and 100),
    constraint passkeys_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index passkeys_user_id_idx on passkeys (user_id)`,
  `create table passkey_challenges (
    challenge text not null,
    user_id uuid,
    expires_at timestamptz not null,
    constraint passkey_challenges_pkey primary key (challenge),
    constraint passkey_challenges_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index passkey_challenges_user_id_idx on passkey_challenges (user_id)`,
  `create index passkey_challenges_expires_at_idx on passkey_challenges (expires_at)`,
];

const DOWN = [
  `drop table passkey_challenges`,
  `drop table passkeys`,
  `drop table two_step_challenges`,
  `drop table two_step`,
];
