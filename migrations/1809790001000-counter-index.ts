import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An index for the deletion of counters of rate limits, of which a flood of attempts leaves millions. */
export class CounterIndex1809790001000 implements MigrationInterface {
  name = 'CounterIndex1809790001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index rate_limit_counters_seen_at_idx on rate_limit_counters (seen_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index rate_limit_counters_seen_at_idx');
  }
}
