import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Chat nodes hold leases, so that a node that was cut off ends as well, and users have time to connect to another one. */
export class NodeLeases1809300001000 implements MigrationInterface {
  name = 'NodeLeases1809300001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chat_nodes add lease_until timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chat_nodes drop lease_until');
  }
}
