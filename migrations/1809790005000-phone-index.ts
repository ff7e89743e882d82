import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An index that tells whether other users have registered a phone number, too. */
export class PhoneIndex1809790005000 implements MigrationInterface {
  name = 'PhoneIndex1809790005000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index vaccination_registrations_phone_idx on vaccination_registrations (phone) where phone is not null',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index vaccination_registrations_phone_idx');
  }
}
