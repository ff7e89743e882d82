import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Users' national ids are stored encrypted. The keys are in the settings and not in the database, so the next start of the
 * server encrypts the ids that 0.1.0 stored in clear. The index makes that check cheap once there are none.
 */
export class EncryptedNationalId1801001000000 implements MigrationInterface {
  name = 'EncryptedNationalId1801001000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table users add encrypted_nid bytea');
    await runner.query('create index users_nid_idx on users (id) where nid is not null');
  }

  /** Fails instead of deleting encrypted ids. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`do $$ begin
      if exists (select from users where encrypted_nid is not null) then
        raise exception 'national ids are encrypted; restore the backup made before the upgrade instead';
      end if;
    end $$`);
    await runner.query('drop index users_nid_idx');
    await runner.query('alter table users drop encrypted_nid');
  }
}
