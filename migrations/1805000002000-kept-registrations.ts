import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A person who deleted the account can register again, although the doses are kept under the same id number. */
export class KeptRegistrations1805000002000 implements MigrationInterface {
  name = 'KeptRegistrations1805000002000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index vaccination_registrations_person_key');
    await runner.query(`create unique index vaccination_registrations_person_key on vaccination_registrations (id_hash)
      where status <> 'rejected' and user_id is not null`);
    await runner.query(`create index vaccination_registrations_kept_idx on vaccination_registrations (id_hash)
      where user_id is null`);
  }

  /** Of two registrations with one number, the former index admits the one that has an account. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index vaccination_registrations_kept_idx');
    await runner.query('drop index vaccination_registrations_person_key');
    await runner.query(`update vaccination_registrations k set status = 'rejected' where user_id is null and exists (
      select from vaccination_registrations r where r.id_hash = k.id_hash and r.user_id is not null and r.status <> 'rejected'
    )`);
    await runner.query(`create unique index vaccination_registrations_person_key on vaccination_registrations (id_hash)
      where status <> 'rejected'`);
  }
}
