import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { configureApp, NEST_OPTIONS } from './app.js';
import { AppModule } from './app.module.js';
import { HttpAdapter } from './http/http-adapter.js';
import { createLogger, NestLogger } from './http/logger.js';
import { ConfigError } from './config/config-error.js';
import type { Config, DatabaseConnection } from './config/config.js';
import { loadConfig } from './config/load-config.js';
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { DatabaseError, migrateDatabase, openDatabase } from './database/open-database.js';
import { EmbeddedPostgresError } from './database/embedded/postgres-binaries.js';
import { FirstAdministratorService } from './account/first-administrator.service.js';

const EX_CONFIG = 78; // sysexits.h
/** What pool and embedded server may take after the requests, before the process ends without them. */
const GRACE_SECONDS = 10;
/** A terminal and a supervisor may each pass on the same Ctrl-C. */
const ECHO_MS = 1000;

/** Config, database, application, listen. What has been started so far is stopped again when the rest fails. */
async function start(): Promise<void> {
  const config = loadConfig();
  const log = await createLogger(config);
  const stops: (() => Promise<void>)[] = [];
  const stopAll = stopper(stops, log);
  stopOnSignals(stopAll, config, log);
  try {
    const connection = config.database ?? (await startPostgres(config, stops, log));
    if (config.MIGRATE === 'on') await migrateDatabase(connection, log);
    const dataSource = await openDatabase(connection, config.DB_POOL_SIZE, log);
    const module = AppModule.forRoot(config, dataSource);
    const options = { ...NEST_OPTIONS, logger: new NestLogger(log) };
    const app = await NestFactory.create<NestExpressApplication>(module, new HttpAdapter(), options);
    stops.unshift(() => close(app, config, log));
    configureApp(app, config, log);
    await app.init();
    const password = await app.get(FirstAdministratorService).ensure();
    await listen(app, config);
    announce(app, config, password);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function startPostgres(
  { DATA_DIR }: Config,
  stops: (() => Promise<void>)[],
  log: Logger,
): Promise<DatabaseConnection> {
  const postgres = new EmbeddedPostgres(DATA_DIR, log);
  stops.unshift(() => postgres.stop());
  await postgres.start();
  return postgres.connection;
}

async function listen(app: NestExpressApplication, { HOST, PORT }: Config): Promise<void> {
  try {
    await app.listen(PORT, HOST);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `${HOST}:${PORT} cannot be listened on (${code}): set HOST or PORT to an address that is free.`,
    ]);
  }
}

/** Three lines for the person at the terminal. Not through the log: a password has no place there. */
function announce(app: NestExpressApplication, config: Config, password: string | undefined): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  const url = config.PUBLIC_URL?.replace(/\/$/, '') ?? `http://${host}:${port}`;
  const lines = [`API         ${url}/api`];
  if (config.SWAGGER === 'on') lines.push(`Swagger UI  ${url}/docs`);
  if (password !== undefined) {
    lines.push(`First start: sign in as "${config.ADMIN_USERNAME}" with the password ${password} (never shown again)`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Not ready, no new connections, requests in flight end, then sockets, then the pool; all within DRAIN_SECONDS. */
async function close(app: NestExpressApplication, { DRAIN_SECONDS }: Config, log: Logger): Promise<void> {
  const onLate = (): void => log.warn(`requests still in flight after ${DRAIN_SECONDS} s: ending them`);
  const drained = (app.getHttpAdapter() as unknown as HttpAdapter).drain(DRAIN_SECONDS * 1000, onLate);
  await app.close().finally(drained);
}

/** Also while starting. A second signal ends the process at once, unless it is but an echo of the first. */
function stopOnSignals(stopAll: () => Promise<boolean>, { DRAIN_SECONDS }: Config, log: Logger): void {
  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince > ECHO_MS) process.exit(1);
      return;
    }
    stoppingSince = Date.now();
    log.info(`${reason}: stopping`);
    setTimeout(() => process.exit(1), (DRAIN_SECONDS + GRACE_SECONDS) * 1000);
    const isClean = await stopAll();
    log.info('stopped');
    process.exit(isClean ? exitCode : 1);
  };
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected error');
    void stop('unexpected error', 1);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}

/** Does all of it once, however often it is asked for. False when a step failed. */
function stopper(stops: (() => Promise<void>)[], log: Logger): () => Promise<boolean> {
  let done: Promise<boolean> | undefined;
  const run = async (): Promise<boolean> => {
    let isClean = true;
    for (const step of stops) {
      await step().catch((error: unknown) => {
        log.error({ err: error }, 'while stopping');
        isClean = false;
      });
    }
    return isClean;
  };
  return () => (done ??= run());
}

let stoppingSince: number | undefined;
try {
  await start();
} catch (error) {
  if (stoppingSince === undefined) {
    const known = [ConfigError, EmbeddedPostgresError, DatabaseError].some((kind) => error instanceof kind);
    const { message, stack } = error as Error;
    process.stderr.write(`${known ? message : `Machi cannot start: ${stack ?? String(error)}`}\n`);
    process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
  }
}
