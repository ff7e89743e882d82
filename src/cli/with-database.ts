import { destination, type Logger, pino } from 'pino';
import type { Config } from '../config/config.js';
import { EmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { type ReachedDatabase, reachDatabase } from '../database/connections/reach-database.js';

/** How long a command waits for a database that does not answer. */
const WAIT_MS = 5_000;

/** Warnings go to standard error. */
export const createLog = (): Logger => pino({ level: 'warn' }, destination(process.stderr.fd));

/**
 * Runs `work` with the configured database, or with the embedded one, which a running server may use at the same time. Throws
 * ConfigError, DatabaseError, EmbeddedPostgresError.
 */
export async function withDatabase<T>(
  config: Config,
  log: Logger,
  work: (database: ReachedDatabase) => Promise<T>,
): Promise<T> {
  if (config.database) return work(await reachDatabase(config.database, config.directDatabase, log, WAIT_MS));
  const postgres = new EmbeddedPostgres(config.DATA_DIR, log);
  try {
    await postgres.start();
    return await work({ connection: postgres.connection, direct: undefined });
  } finally {
    await postgres.stop();
  }
}
