import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The system whose route opened a session, and the client that got its newest tokens. */
export class SessionClients1797002000000 implements MigrationInterface {
  name = 'SessionClients1797002000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table sessions add compat_system text, add refreshed_by text`);
    // The route of the augmented-reality service goes on renewing the sessions that it may have opened: those of an external
    // identity whose refresh token was never rotated.
    await runner.query(`update sessions s set compat_system = 'tmtar' where parent_id is null and exists (
      select from audit_events e
      where e.session_id = s.id and e.action = 'session.opened' and e.details ? 'issuer')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table sessions drop compat_system, drop refreshed_by`);
  }
}
