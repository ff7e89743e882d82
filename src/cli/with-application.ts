import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module.js';
import { loadCommandConfig } from '../config/load-config.js';
import { openDatabase } from '../database/open-database.js';
import { NestLogger } from '../http/log/logger.js';
import { createLog, withDatabase } from './with-database.js';

/** Runs `work` with the services of the application. Throws ConfigError, DatabaseError, EmbeddedPostgresError. */
export function withApplication<T>(work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = loadCommandConfig();
  const log = createLog();
  return withDatabase(config, log, async ({ connection, direct }) => {
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
  });
}
