import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MessageReferences1809770000000 } from '../../migrations/1809770000000-message-references.js';
import { newDataSource } from '../../src/database/data-source.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { runMigration } from '../support/version-0-1-0.js';

let database: TestDatabase;
let dataSource: DataSource;
beforeAll(async () => {
  database = await createDatabase();
  dataSource = await newDataSource(database.connection, { size: 3 }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const WAITING = `select 1 from pg_locks where not granted and pid in (
  select pid from pg_stat_activity where datname = current_database())`;

it.each(['down', 'up'] as const)(
  'a message that is being stored ends while the migration (%s) waits',
  async (direction) => {
    const [migrating, storing] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
    await storing.startTransaction();
    await storing.query('lock table conversations in row exclusive mode'); // as append_message does
    const migrated = runMigration(migrating, MessageReferences1809770000000, direction);
    await expect.poll(() => dataSource.query<unknown[]>(WAITING)).not.toHaveLength(0);
    await storing.query('lock table messages in row exclusive mode');
    await storing.commitTransaction();
    await migrated;
    await Promise.all([migrating.release(), storing.release()]);
  },
);
