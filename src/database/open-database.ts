import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type DataSource, MigrationExecutor } from 'typeorm';
import type { DatabaseConnection } from '../config/config.js';
import { ADVISORY_LOCKS } from './advisory-locks.js';
import { newDataSource } from './data-source.js';

const PATIENCE_MS = 30_000;
const UNDEFINED_TABLE = '42P01';

/** Waits a while for a database that is still coming up, and brings its schema up to date. */
export async function migrateDatabase(connection: DatabaseConnection, log: Logger): Promise<void> {
  const unhurried = newDataSource(connection, { size: 2, statementTimeout: 0 });
  await connect(unhurried, log);
  try {
    await migrate(unhurried, log);
  } finally {
    await unhurried.destroy();
  }
}

/** Connects the application. Raises DatabaseError when the schema is not the one that it was built for. */
export async function openDatabase(connection: DatabaseConnection, size: number, log: Logger): Promise<DataSource> {
  const dataSource = newDataSource(connection, { size });
  await connect(dataSource, log);
  if (await isMigrated(dataSource)) return dataSource;
  await dataSource.destroy();
  throw new DatabaseError('Migrations are missing: run "node dist/src/migrate.js" before, or set MIGRATE to on.');
}

/** Whether all migrations have run; later ones, of a newer Machi, do no harm. */
export async function isMigrated(dataSource: DataSource): Promise<boolean> {
  const names = dataSource.migrations.map(({ name }) => name);
  const run = 'select from migrations where name = any ($1)';
  try {
    return (await dataSource.query<unknown[]>(run, [names])).length === names.length;
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return false;
    throw error;
  }
}

async function connect(dataSource: DataSource, log: Logger): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!dataSource.isInitialized) {
    try {
      await dataSource.initialize();
    } catch (error) {
      const { message, code } = error as Error & { code?: string };
      if (Date.now() > deadline || isFinal(code)) {
        const reason = message || String(code);
        throw new DatabaseError(
          `The database cannot be reached (${reason}): check DATABASE_URL or the DB_* variables.`,
          { cause: error },
        );
      }
      log.warn(`waiting for the database: ${message || code}`);
      await sleep(1000);
    }
  }
}

/** The configured database is not there, or not as it should be; the message is one sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Wrong password or name: waiting would not help. */
const isFinal = (code: string | undefined): boolean => code?.startsWith('28') === true || code === '3D000';

export async function migrate(dataSource: DataSource, log: Logger): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('select pg_advisory_lock($1)', [ADVISORY_LOCKS.migrations]);
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = 'each';
    for (const { name } of await executor.executePendingMigrations()) log.info({ migration: name }, 'migrated');
  } finally {
    await runner.query('select pg_advisory_unlock_all()').catch(() => undefined);
    await runner.release();
  }
}
