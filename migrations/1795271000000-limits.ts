import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counters of attempts and requests. */
export class Limits1795271000000 implements MigrationInterface {
  name = 'Limits1795271000000';

  async up(runner: QueryRunner): Promise<void> {
    // Unlogged: counters are written on every sign-in and worth nothing after a crash.
    await runner.query(`create unlogged table limits (
      key bytea not null,
      count integer not null,
      until timestamptz not null,
      seen_at timestamptz not null,
      constraint limits_pkey primary key (key)
    )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table limits`);
  }
}
