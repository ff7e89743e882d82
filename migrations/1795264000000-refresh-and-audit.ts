import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rotating refresh tokens; the audit. */
export class RefreshAndAudit1795264000000 implements MigrationInterface {
  name = 'RefreshAndAudit1795264000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `alter table sessions
    add parent_id uuid,
    add issued_at timestamptz`,
  `update sessions set issued_at = created_at`,
  `alter table sessions alter issued_at set not null`,

  // Whoever may change the address may reset the password: a thief's sessions must not outlive the change.
  `create trigger end_sessions_of_readdressed after update on users
    for each row when (old.email is distinct from new.email) execute function end_sessions()`,

  `create table audit_events (
    id bigint generated always as identity,
    at timestamptz not null,
    action text not null,
    succeeded boolean not null,
    actor_id uuid,
    subject_id uuid,
    session_id uuid,
    ip inet,
    request_id uuid,
    details jsonb not null default '{}',
    constraint audit_events_pkey primary key (id)
  )`,
  `create index audit_events_actor_id_idx on audit_events (actor_id, id)`,
  `create index audit_events_subject_id_idx on audit_events (subject_id, id)`,
  `create function refuse_change() returns trigger language plpgsql as $$
  begin
    raise exception '% is append-only', tg_table_name using errcode = 'MA002';
  end $$`,
  `create trigger audit_events_append_only before update or delete or truncate on audit_events
    for each statement execute function refuse_change()`,
];

const DOWN = [
  `drop table audit_events`,
  `drop function refuse_change()`,
  `drop trigger end_sessions_of_readdressed on users`,
  `alter table sessions drop parent_id, drop issued_at`,
];
