import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A decision about a registration can name the version that the staff has read. */
export class RegistrationVersions1809790006000 implements MigrationInterface {
  name = 'RegistrationVersions1809790006000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table vaccination_registrations add column version integer not null default 1');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table vaccination_registrations drop column version');
  }
}
