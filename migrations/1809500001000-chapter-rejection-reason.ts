import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Uploaders read why a moderator has refused their chapter. */
export class ChapterRejectionReason1809500001000 implements MigrationInterface {
  name = 'ChapterRejectionReason1809500001000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table chapters drop column rejection_reason`);
  }
}

const UP = [
  `alter table chapters add column rejection_reason text`,
  `alter table chapters add constraint chapters_rejection_reason_check
    check (rejection_reason is null or state = 'rejected')`,
];
