import { LogOutput } from './http/log/log-output.js';
import { createLogger } from './http/log/logger.js';
import { ConfigError } from './config/config-error.js';
import { loadConfig } from './config/load-config.js';
import { DatabaseError } from './database/database-error.js';
import { migrateDatabase } from './database/open-database.js';
import { reachDatabase } from './database/connections/reach-database.js';

const output = new LogOutput();

/** Runs all pending migrations and exits. For deployments whose processes run with MIGRATE=off. */
try {
  const config = loadConfig();
  if (!config.database)
    throw new ConfigError(['DATABASE_URL is missing: the embedded database migrates at the start.']);
  const log = await createLogger(config, output);
  for (const notice of config.notices) log.warn(notice);
  const { connection, direct } = await reachDatabase(config.database, config.directDatabase, log);
  await migrateDatabase(direct ?? connection, log);
} catch (error) {
  const isKnown = error instanceof ConfigError || error instanceof DatabaseError;
  const { message, stack } = error as Error;
  process.stderr.write(`${isKnown ? message : `Machi cannot migrate: ${stack ?? String(error)}`}\n`);
  await output.exit(error instanceof ConfigError ? 78 : 1);
}
