import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A person who got several doses of a recalled lot is told once. */
export class RecallNotices1805000000000 implements MigrationInterface {
  name = 'RecallNotices1805000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create or replace function record_recall_notices() returns trigger language plpgsql as $$
      begin
        insert into vaccination_notices (kind, dose_id)
        select distinct on (d.registration_id) 'lot_recalled', d.id
        from vaccination_doses d where d.lot_id = new.id and d.status = 'completed'
        order by d.registration_id, d.given_at desc, d.id;
        return null;
      end $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`create or replace function record_recall_notices() returns trigger language plpgsql as $$
  begin
    insert into vaccination_notices (kind, dose_id)
    select 'lot_recalled', d.id from vaccination_doses d where d.lot_id = new.id and d.status = 'completed';
    return null;
  end $$`);
  }
}
