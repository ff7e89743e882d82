import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An ended session is told to whoever listens, when the transaction that ends it commits. */
export class SessionEndings1795270000000 implements MigrationInterface {
  name = 'SessionEndings1795270000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create function tell_session_ended() returns trigger language plpgsql as $$
      begin
        perform pg_notify('session_ended', old.id::text);
        return null;
      end $$`);
    await runner.query(`create trigger tell_session_ended after delete on sessions
      for each row execute function tell_session_ended()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop trigger tell_session_ended on sessions`);
    await runner.query(`drop function tell_session_ended()`);
  }
}
