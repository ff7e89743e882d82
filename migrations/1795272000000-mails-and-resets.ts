import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The outbox of mails; codes for new passwords; verified e-mail addresses; devices that were seen before. */
export class MailsAndResets1795272000000 implements MigrationInterface {
  name = 'MailsAndResets1795272000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table mails (
    id uuid not null,
    kind text not null,
    address_key bytea not null,
    sealed bytea,
    state text not null default 'queued',
    attempts integer not null default 0,
    created_at timestamptz not null,
    due_at timestamptz not null,
    give_up_at timestamptz not null,
    settled_at timestamptz,
    last_error text,
    constraint mails_pkey primary key (id),
    constraint mails_state_check check (state in ('queued', 'sent', 'failed', 'dropped') and (state = 'queued') = (sealed is not null) and (state = 'queued') = (settled_at is null))
  )`,
  `create index mails_due_at_idx on mails (due_at) where state = 'queued'`,
  `create index mails_settled_at_idx on mails (settled_at)`,
  `create index mails_address_key_idx on mails (address_key, kind, created_at)`,

  `create table password_resets (
    address_key bytea not null,
    user_id uuid,
    code_hash bytea,
    tries_left integer not null,
    expires_at timestamptz not null,
    token_hash bytea,
    token_expires_at timestamptz,
    constraint password_resets_pkey primary key (address_key),
    constraint password_resets_token_hash_key unique (token_hash),
    constraint password_resets_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index password_resets_user_id_idx on password_resets (user_id)`,
  `create index password_resets_expires_at_idx on password_resets (expires_at)`,

  `alter table users add email_verified_at timestamptz`,
  `create table email_verifications (
    user_id uuid not null,
    token_hash bytea not null,
    expires_at timestamptz not null,
    constraint email_verifications_pkey primary key (user_id),
    constraint email_verifications_token_hash_key unique (token_hash),
    constraint email_verifications_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,

  `create table known_devices (
    user_id uuid not null,
    name text not null,
    last_seen_at timestamptz not null,
    constraint known_devices_pkey primary key (user_id, name),
    constraint known_devices_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,

  // Whatever was mailed out for an account dies with what it was mailed out for, whichever statement changes it.
  `create function end_password_resets() returns trigger language plpgsql as $$
  begin
    delete from password_resets where user_id = new.id;
    return null;
  end $$`,
  `create trigger end_password_resets_of_changed after update on users for each row
    when (old.email is distinct from new.email or old.password_hash is distinct from new.password_hash
      or old.is_active and not new.is_active)
    execute function end_password_resets()`,
  `create function unverify_email() returns trigger language plpgsql as $$
  begin
    delete from email_verifications where user_id = new.id;
    new.email_verified_at = null;
    return new;
  end $$`,
  `create trigger unverify_readdressed before update on users for each row
    when (old.email is distinct from new.email) execute function unverify_email()`,
];

const DOWN = [
  `drop trigger unverify_readdressed on users`,
  `drop trigger end_password_resets_of_changed on users`,
  `drop function unverify_email()`,
  `drop function end_password_resets()`,
  `drop table known_devices`,
  `drop table email_verifications`,
  `alter table users drop email_verified_at`,
  `drop table password_resets`,
  `drop table mails`,
];
