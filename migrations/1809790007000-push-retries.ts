import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Messages that come after a push has failed wait until its next attempt, too. */
export class PushRetries1809790007000 implements MigrationInterface {
  name = 'PushRetries1809790007000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table push_subscriptions add column retry_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table push_subscriptions drop column retry_at');
  }
}
