import type { DataSource } from 'typeorm';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MessageReferences1809770000000 } from '../../migrations/1809770000000-message-references.js';
import { NewestChapters1809780000000 } from '../../migrations/1809780000000-newest-chapters.js';
import { RegistrationVersions1809790006000 } from '../../migrations/1809790006000-registration-versions.js';
import { newDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/open-database.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';
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

/** Each with the tables that a request locks while the migration waits, in their order. */
const MIGRATIONS = [
  { migration: MessageReferences1809770000000, tables: ['conversations', 'messages'] }, // append_message
  { migration: NewestChapters1809780000000, tables: ['chapters', 'projects'] }, // the foreign key of a new chapter
];
const CASES = (['down', 'up'] as const).flatMap((direction) => MIGRATIONS.map((each) => ({ ...each, direction })));

it.each(CASES)(
  'a request that locks $tables ends while their migration ($direction) waits',
  async ({ migration, tables: [first, second], direction }) => {
    const [migrating, storing] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
    await storing.startTransaction();
    await storing.query(`lock table ${first} in row exclusive mode`);
    const migrated = runMigration(migrating, migration, direction);
    await expect.poll(() => dataSource.query<unknown[]>(WAITING)).not.toHaveLength(0);
    await storing.query(`lock table ${second} in row exclusive mode`);
    await storing.commitTransaction();
    await migrated;
    await Promise.all([migrating.release(), storing.release()]);
  },
);

it('a request that reads a table does not wait until the backup has ended for which a migration of the table waits', async () => {
  const [backup, reverting] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
  await runMigration(reverting, RegistrationVersions1809790006000, 'down');
  await reverting.release();
  await backup.startTransaction();
  await backup.query('select from vaccination_registrations');
  const migrating = await newDataSource(database.connection, { size: 1, statementTimeout: 0 }).initialize();
  const migrated = migrate(migrating, pino({ level: 'silent' }));
  await expect.poll(() => dataSource.query<unknown[]>(WAITING)).not.toHaveLength(0);
  await expect(dataSource.query('select from vaccination_registrations')).resolves.toEqual([]);
  await backup.commitTransaction();
  await backup.release();
  expect(await migrated).toEqual(['RegistrationVersions1809790006000']);
  await migrating.destroy();
});
