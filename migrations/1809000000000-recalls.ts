import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Recalls of a lot at all centres. A person who got it at several centres is told once. */
export class Recalls1809000000000 implements MigrationInterface {
  name = 'Recalls1809000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create table vaccine_recalls (
      id uuid not null,
      vaccine_id uuid not null,
      number citext not null,
      reason text not null,
      created_at timestamptz not null,
      constraint vaccine_recalls_pkey primary key (id),
      constraint vaccine_recalls_number_key unique (vaccine_id, number),
      constraint vaccine_recalls_vaccine_id_fkey foreign key (vaccine_id) references vaccines (id)
    )`);
    await runner.query('drop trigger record_recalled_lot on vaccine_lots');
    await runner.query('drop function record_recall_notices()');
    await runner.query(`create function record_recall_notices() returns trigger language plpgsql as $$
      begin
        -- Each dose that is taken from a lot comes here, too: it must not read the table of doses.
        if not exists (select from added n join removed o using (id) where o.recalled_at is null and n.recalled_at is not null) then
          return null;
        end if;
        insert into vaccination_notices (kind, dose_id)
        select distinct on (d.registration_id) 'lot_recalled', d.id
        from added n join removed o on o.id = n.id join vaccination_doses d on d.lot_id = n.id and d.status = 'completed'
        where o.recalled_at is null and n.recalled_at is not null
        order by d.registration_id, d.given_at desc, d.id;
        return null;
      end $$`);
    await runner.query(`create trigger record_recalled_lots after update on vaccine_lots
      referencing old table as removed new table as added for each statement execute function record_recall_notices()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop trigger record_recalled_lots on vaccine_lots');
    await runner.query('drop function record_recall_notices()');
    await runner.query(`create function record_recall_notices() returns trigger language plpgsql as $$
      begin
        insert into vaccination_notices (kind, dose_id)
        select distinct on (d.registration_id) 'lot_recalled', d.id
        from vaccination_doses d where d.lot_id = new.id and d.status = 'completed'
        order by d.registration_id, d.given_at desc, d.id;
        return null;
      end $$`);
    await runner.query(`create trigger record_recalled_lot after update of recalled_at on vaccine_lots for each row
      when (old.recalled_at is null and new.recalled_at is not null) execute function record_recall_notices()`);
    await runner.query('drop table vaccine_recalls');
  }
}
