import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the vaccine registration knows of a person beyond the others: a national id, and local telephone numbers. */
export class NationalId1795277000000 implements MigrationInterface {
  name = 'NationalId1795277000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table users
      add nid text,
      add constraint users_nid_check check (nid ~ '^[0-9A-Za-z-]{4,30}$'),
      drop constraint users_phone_number_check,
      add constraint users_phone_number_check check (phone_number ~ '^\\+?[0-9]{6,15}$')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table users
      drop nid,
      drop constraint users_phone_number_check,
      add constraint users_phone_number_check check (phone_number ~ '^\\+[1-9][0-9]{6,14}$') not valid`);
  }
}
