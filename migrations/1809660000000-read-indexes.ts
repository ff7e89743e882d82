import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for reads that scanned whole tables: doses of a person and of a period, certificates of a dose, release groups by name. */
export class ReadIndexes1809660000000 implements MigrationInterface {
  name = 'ReadIndexes1809660000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index vaccination_doses_registration_id_idx on vaccination_doses (registration_id, given_at, id)',
    );
    await runner.query('create index vaccination_doses_given_at_idx on vaccination_doses (given_at)');
    await runner.query('create index vaccination_certificates_dose_id_idx on vaccination_certificates (dose_id)');
    await runner.query(
      'create index release_groups_search_idx on release_groups using gin (fold_text(name::text) gin_trgm_ops)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index release_groups_search_idx');
    await runner.query('drop index vaccination_certificates_dose_id_idx');
    await runner.query('drop index vaccination_doses_given_at_idx');
    await runner.query('drop index vaccination_doses_registration_id_idx');
  }
}
