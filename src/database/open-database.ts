import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type DataSource, MigrationExecutor } from 'typeorm';
import type { DatabaseConnection } from '../config/config.js';
import { ADVISORY_LOCKS } from './advisory-locks.js';
import { newDataSource } from './data-source.js';

/** How long a database that is still starting is waited for. */
const CONNECT_DEADLINE_MS = 30_000;
const RETRY_MS = 1_000;

const UNDEFINED_TABLE = '42P01';
const INVALID_CATALOG_NAME = '3D000';
/** The class of SQLSTATEs about a wrong user name or password. */
const INVALID_AUTHORIZATION = '28';

/** The database cannot be used. The message is one sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Waits up to 30 s for the database, then runs all pending migrations. Throws DatabaseError. */
export async function migrateDatabase(connection: DatabaseConnection, log: Logger): Promise<void> {
  const dataSource = newDataSource(connection, { size: 2, statementTimeout: 0 });
  await connect(dataSource, log);
  try {
    await migrate(dataSource, log);
  } finally {
    await dataSource.destroy();
  }
}

/** Waits up to 30 s for the database and connects. Throws DatabaseError, also when migrations are pending. */
export async function openDatabase(connection: DatabaseConnection, size: number, log: Logger): Promise<DataSource> {
  const dataSource = newDataSource(connection, { size });
  await connect(dataSource, log);
  if (await isMigrated(dataSource)) return dataSource;
  await dataSource.destroy();
  throw new DatabaseError('Migrations are missing: run "node dist/src/migrate.js" before, or set MIGRATE to on.');
}

/** Whether all migrations of this version have run. Migrations of a newer version are ignored. */
export async function isMigrated(dataSource: DataSource): Promise<boolean> {
  const names = dataSource.migrations.map(({ name }) => name);
  try {
    const rows = await dataSource.query<unknown[]>('select from migrations where name = any ($1)', [names]);
    return rows.length === names.length;
  } catch (error) {
    if ((error as ErrorWithCode).code === UNDEFINED_TABLE) return false;
    throw error;
  }
}

/** Runs all pending migrations, each in its own transaction. Other processes wait until they are done. */
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

type ErrorWithCode = Error & { code?: string };

async function connect(dataSource: DataSource, log: Logger): Promise<void> {
  const deadline = Date.now() + CONNECT_DEADLINE_MS;
  while (!dataSource.isInitialized) {
    try {
      await dataSource.initialize();
    } catch (error) {
      const { message, code } = error as ErrorWithCode;
      const reason = message || String(code); // an error of several addresses has no message
      if (Date.now() > deadline || isPermanent(code)) throw unreachable(reason, error);
      log.warn(`Connecting to the database failed (${reason}); retrying in ${RETRY_MS} ms`);
      await sleep(RETRY_MS);
    }
  }
}

/** A wrong name or password does not become right by waiting. */
const isPermanent = (code = ''): boolean => code.startsWith(INVALID_AUTHORIZATION) || code === INVALID_CATALOG_NAME;

const unreachable = (reason: string, cause: unknown): DatabaseError =>
  new DatabaseError(`The database cannot be reached (${reason}): check DATABASE_URL or the DB_* variables.`, { cause });
