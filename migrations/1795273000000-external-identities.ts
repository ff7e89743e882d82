import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Accounts elsewhere by which users sign in. */
export class ExternalIdentities1795273000000 implements MigrationInterface {
  name = 'ExternalIdentities1795273000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table external_identities');
  }
}

const UP = [
  `create table external_identities (
    id uuid not null,
    user_id uuid not null,
    issuer text not null,
    subject text not null,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    constraint external_identities_pkey primary key (id),
    constraint external_identities_issuer_subject_key unique (issuer, subject),
    constraint external_identities_user_id_fkey foreign key (user_id) references users (id) on delete cascade
  )`,
  `create index external_identities_user_id_idx on external_identities (user_id)`,
];
