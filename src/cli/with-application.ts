import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { destination, type Logger, pino } from 'pino';
import { AppModule } from '../app.module.js';
import type { Config } from '../config/config.js';
import type { DatabaseConnection } from '../config/database-connection.js';
import { loadConfig } from '../config/load-config.js';
import { EmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { openDatabase } from '../database/open-database.js';
import { reachDatabase } from '../database/reach-database.js';
import { NestLogger } from '../http/logger.js';

/**
 * Runs `work` with the services of the application on the configured database, or on the embedded one, which a running
 * server may use at the same time. Warnings go to standard error. Throws ConfigError, DatabaseError, EmbeddedPostgresError.
 */
export async function withApplication<T>(work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = loadConfig();
  const log = pino({ level: 'warn' }, destination(process.stderr.fd));
  if (config.database) return runOn(config, config.database, log, work);
  const postgres = new EmbeddedPostgres(config.DATA_DIR, log);
  try {
    await postgres.start();
    return await runOn(config, postgres.connection, log, work);
  } finally {
    await postgres.stop();
  }
}

async function runOn<T>(
  config: Config,
  database: DatabaseConnection,
  log: Logger,
  work: (app: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const { connection, direct } = await reachDatabase(database, config.directDatabase, log);
  const dataSource = await openDatabase(connection, { size: 4, isPooled: direct !== undefined }, log);
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(config, dataSource, direct), {
    abortOnError: false,
    logger: new NestLogger(log),
  });
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}
