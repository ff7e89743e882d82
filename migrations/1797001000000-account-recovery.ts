import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Pending changes of e-mail addresses, links that remove sign-in methods, the time of the last sign-in with a password,
 * and administrators who can sign in.
 */
export class AccountRecovery1797001000000 implements MigrationInterface {
  name = 'AccountRecovery1797001000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `alter table users add pending_email text,
    add constraint users_pending_email_check check (length(pending_email) <= 254)`,
  `alter table email_verifications add email text`,

  `create table password_sign_ins (
    user_id uuid not null,
    last_at timestamptz not null,
    constraint password_sign_ins_pkey primary key (user_id),
    constraint password_sign_ins_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  // Without these times, the first recovery after the update would remove authenticator apps that are years old.
  `insert into password_sign_ins (user_id, last_at)
    select u.id, max(e.at) from audit_events e join users u on u.id = e.subject_id
    where e.action = 'session.opened' and e.details ->> 'by' in ('password', 'two-step') group by u.id`,
  `alter table two_factor_challenges add is_password_verified boolean not null default false`,

  `create table method_removal_links (
    user_id uuid not null,
    token_hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint method_removal_links_pkey primary key (user_id),
    constraint method_removal_links_token_hash_key unique (token_hash),
    constraint method_removal_links_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,

  `create table accepted_issuers (issuer text not null, constraint accepted_issuers_pkey primary key (issuer))`,
  // Until the first start, every known issuer counts as accepted.
  `insert into accepted_issuers (issuer) select distinct issuer from external_identities`,
  `create function administrator_can_sign_in() returns boolean language sql stable return exists (
    select from users u join group_members m on m.user_id = u.id join groups g on g.id = m.group_id
    where u.is_active and 'admin' = any (g.permissions) and (u.password_hash is not null
      or exists (select from passkeys p where p.user_id = u.id)
      or exists (select from external_identities i join accepted_issuers a using (issuer) where i.user_id = u.id)))`,
  // The lock comes first: what is decided before it could be outdated when the transaction commits.
  `create or replace function keep_an_administrator() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock(1835098977);
    if tg_table_name = 'users' then
      if not exists (
        select from group_members m join groups g on g.id = m.group_id
        where m.user_id = new.id and 'admin' = any (g.permissions)
      ) then
        return null;
      end if;
    elsif tg_table_name = 'group_members' then
      if not exists (select from groups g where g.id = old.group_id and 'admin' = any (g.permissions)) then
        return null;
      end if;
    end if;
    if not administrator_can_sign_in() then
      raise exception 'no administrator who can sign in would be left' using errcode = 'MA001';
    end if;
    return null;
  end $$`,
  `create constraint trigger keep_an_administrator_group_deleted after delete on groups deferrable initially deferred
    for each row when ('admin' = any (old.permissions)) execute function keep_an_administrator()`,
];

const DOWN = [
  `drop trigger keep_an_administrator_group_deleted on groups`,
  `create or replace function keep_an_administrator() returns trigger language plpgsql as $$
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
  `drop function administrator_can_sign_in()`,
  `drop table accepted_issuers`,
  `drop table method_removal_links`,
  `alter table two_factor_challenges drop is_password_verified`,
  `drop table password_sign_ins`,
  // Links to addresses of pending changes would verify the current address.
  `delete from email_verifications v using users u where u.id = v.user_id and v.email is distinct from u.email and v.email is not null`,
  `alter table email_verifications drop email`,
  `alter table users drop pending_email`,
];
