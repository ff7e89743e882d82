import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for the deletion of expired sessions, e-mail verifications and method removal links. */
export class ExpiryIndexes1809790000000 implements MigrationInterface {
  name = 'ExpiryIndexes1809790000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of INDEXES) await runner.query(`create index ${name} on ${definition}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of INDEXES.toReversed()) await runner.query(`drop index ${name}`);
  }
}

const INDEXES: [name: string, definition: string][] = [
  ['sessions_expires_at_idx', 'sessions (expires_at)'],
  ['sessions_issued_at_idx', 'sessions (issued_at)'],
  ['email_verifications_expires_at_idx', 'email_verifications (expires_at)'],
  ['method_removal_links_expires_at_idx', 'method_removal_links (expires_at)'],
];
