import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Exports of the personal data of users. */
export class DataExports1809200000000 implements MigrationInterface {
  name = 'DataExports1809200000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table data_exports');
  }
}

const UP = [
  `create table data_exports (
    id uuid not null,
    user_id uuid,
    session_id uuid not null,
    state text not null default 'pending',
    done integer not null default 0,
    total integer not null,
    size bigint,
    problem text,
    file_id uuid,
    claim_id uuid,
    claimed_until timestamptz,
    attempts integer not null default 0,
    created_at timestamptz not null,
    finished_at timestamptz,
    expires_at timestamptz not null,
    constraint data_exports_pkey primary key (id),
    constraint data_exports_user_id_key unique (user_id),
    constraint data_exports_user_id_fkey foreign key (user_id) references users (id) on delete set null,
    constraint data_exports_state_check check (state in ('pending', 'ready', 'failed')),
    constraint data_exports_done_check check (done between 0 and total),
    constraint data_exports_file_check check ((state = 'ready') = (file_id is not null and size is not null))
  )`,
  `create index data_exports_pending_idx on data_exports (id) where state = 'pending'`,
  `create index data_exports_expires_at_idx on data_exports (expires_at)`,
];
