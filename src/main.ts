import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { configureApp, NEST_OPTIONS } from './app.js';
import { AppModule } from './app.module.js';
import { drainConnections } from './common/http-server.js';
import { createLogger, NestLogger } from './common/logger.js';
import { type Config, ConfigError, loadConfig } from './config.js';
import { EmbeddedPostgres } from './database/embedded-postgres.js';
import { DatabaseError, openDatabase } from './database/open-database.js';
import { EmbeddedPostgresError } from './database/postgres-binaries.js';
import { FirstAdministrator } from './groups/first-administrator.js';

const EX_CONFIG = 78; // sysexits.h

/** Config, database, application, listen. Whatever fails says so in one line and ends the process. */
async function start(): Promise<void> {
  const config = loadConfig();
  const log = await createLogger(config);
  const postgres = config.database ? undefined : await EmbeddedPostgres.start(config.DATA_DIR, log);
  const stops: (() => Promise<void>)[] = postgres ? [() => postgres.stop()] : [];
  try {
    const dataSource = await openDatabase(config.database ?? postgres!.connection, config.DB_POOL_SIZE, log);
    const options = { ...NEST_OPTIONS, logger: new NestLogger(log) };
    const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config, dataSource), options);
    stops.unshift(() => close(app, config, log));
    configureApp(app, config, log);
    await app.init();
    const password = await app.get(FirstAdministrator).ensure();
    await listen(app, config);
    announce(app, config, password);
    stopOnSignals(stops, log);
  } catch (error) {
    for (const stop of stops) await stop();
    throw error;
  }
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
  const drained = drainConnections(app.getHttpServer(), DRAIN_SECONDS * 1000, onLate);
  await app.close().finally(drained);
}

function stopOnSignals(stops: (() => Promise<void>)[], log: Logger): void {
  let stopping = false;
  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (stopping) process.exit(1); // asked twice: at once
    stopping = true;
    log.info(`${reason}: stopping`);
    for (const step of stops) {
      await step().catch((error: unknown) => {
        log.error({ err: error }, 'while stopping');
        exitCode = 1;
      });
    }
    log.info('stopped');
    process.exit(exitCode);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected error');
    void stop('unexpected error', 1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}

try {
  await start();
} catch (error) {
  const known = [ConfigError, EmbeddedPostgresError, DatabaseError].some((kind) => error instanceof kind);
  process.stderr.write(
    `${known ? (error as Error).message : `Machi cannot start: ${(error as Error).stack ?? String(error)}`}\n`,
  );
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}
