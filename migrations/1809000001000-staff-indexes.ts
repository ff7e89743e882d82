import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Deleting an account sets these columns to null. Without an index, each deletion reads the whole tables. */
export class StaffIndexes1809000001000 implements MigrationInterface {
  name = 'StaffIndexes1809000001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index vaccination_doses_vaccinator_id_idx on vaccination_doses (vaccinator_id)');
    await runner.query(
      'create index vaccination_adverse_events_recorded_by_idx on vaccination_adverse_events (recorded_by)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index vaccination_adverse_events_recorded_by_idx');
    await runner.query('drop index vaccination_doses_vaccinator_id_idx');
  }
}
