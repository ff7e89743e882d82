import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import cluster from 'node:cluster';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { QueryFailedError } from 'typeorm';
import { FirstAdministratorService } from './account/first-administrator.service.js';
import { configureApp, NEST_OPTIONS } from './app.js';
import { AppModule } from './app.module.js';
import { ConfigError } from './config/config-error.js';
import type { Config } from './config/config.js';
import { isTracingRequested } from './config/tracing-variables.js';
import type { DatabaseConnection } from './config/database-connection.js';
import { loadConfig } from './config/load-config.js';
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { EmbeddedPostgresError } from './database/embedded/embedded-postgres-error.js';
import { DatabaseError } from './database/database-error.js';
import { migrateDatabase, openDatabase } from './database/open-database.js';
import { reachDatabase } from './database/reach-database.js';
import { hasExample } from './http/example.js';
import { HttpAdapter } from './http/http-adapter.js';
import { MetricsServerService } from './http/metrics/metrics-server.service.js';
import { createLogger, NestLogger } from './http/logger.js';
import { WorkerProcesses } from './worker-processes.js';

const EX_CONFIG = 78; // sysexits.h
/** Time for closing the database after the requests have been drained, before the process exits anyway. */
const CLOSE_TIMEOUT_SECONDS = 10;
/** A terminal and a supervisor may both forward one Ctrl-C: a second signal counts only after this time. */
const REPEATED_SIGNAL_MS = 1000;

/** The parts of the running process: an embedded PostgreSQL, if no database is configured, and the application. */
class Server {
  private postgres: EmbeddedPostgres | undefined;
  private app: NestExpressApplication | undefined;
  private stopped: Promise<boolean> | undefined;

  constructor(
    private readonly config: Config,
    private readonly log: Logger,
  ) {}

  /** Starts the parts in their order. If one fails, stops those that were started, and throws. */
  async start(): Promise<void> {
    const { config, log } = this;
    try {
      const configured = config.database ?? (await this.startPostgres());
      const { connection, direct } = await reachDatabase(configured, config.directDatabase, log);
      if (config.MIGRATE === 'on') await migrateDatabase(direct ?? connection, log);
      const pool = { size: config.DB_POOL_SIZE, isPooled: direct !== undefined };
      const dataSource = await openDatabase(connection, pool, log);
      this.app = await NestFactory.create<NestExpressApplication>(
        AppModule.forRoot(config, dataSource, direct),
        new HttpAdapter(),
        { ...NEST_OPTIONS, logger: new NestLogger(log) },
      );
      configureApp(this.app, config, log);
      await this.app.init();
      const password = await this.app.get(FirstAdministratorService).ensure();
      if (password !== undefined) printPassword(config, password); // at once: the rest of the start may fail
      await listen(this.app, config);
      if (cluster.isPrimary || cluster.worker?.id === 1) printStartMessage(this.app, config);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops what has been started, once. Returns false if a part failed to stop. */
  stop(): Promise<boolean> {
    this.stopped ??= this.stopParts();
    return this.stopped;
  }

  private async startPostgres(): Promise<DatabaseConnection> {
    this.postgres = new EmbeddedPostgres(this.config.DATA_DIR, this.log);
    await this.postgres.start();
    return this.postgres.connection;
  }

  private async stopParts(): Promise<boolean> {
    const isAppStopped = await this.tryStop('application', () => this.closeApp());
    const isPostgresStopped = await this.tryStop('embedded PostgreSQL', () => this.postgres?.stop());
    return isAppStopped && isPostgresStopped;
  }

  private async tryStop(part: string, stop: () => Promise<void> | undefined): Promise<boolean> {
    try {
      await stop();
      return true;
    } catch (error) {
      this.log.error({ err: error }, `Stopping the ${part} failed`);
      return false;
    }
  }

  /** Reports "not ready", refuses new connections, drains requests, closes sockets and then the database pool. */
  private async closeApp(): Promise<void> {
    if (!this.app) return;
    const { DRAIN_SECONDS } = this.config;
    const onTimeout = (connections: number): void =>
      this.log.warn(`Drain timeout of ${DRAIN_SECONDS} s reached; closing ${connections} connections`);
    const adapter = this.app.getHttpAdapter() as unknown as HttpAdapter;
    const stopDraining = adapter.drain(DRAIN_SECONDS * 1000, onTimeout);
    await this.app.close().finally(stopDraining);
  }
}

async function listen(app: NestExpressApplication, { HOST, PORT }: Config): Promise<void> {
  try {
    await app.listen(PORT, HOST);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([`Listening on ${HOST}:${PORT} failed (${code}): set HOST and PORT to a free address.`]);
  }
}

/** Writes to the terminal and not to the log, because logs hold no passwords. */
function printPassword({ ADMIN_USERNAME }: Config, password: string): void {
  process.stdout.write(
    `First start: sign in as "${ADMIN_USERNAME}" with the password ${password} (never shown again)\n`,
  );
}

function printStartMessage(app: NestExpressApplication, config: Config): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  const url = config.PUBLIC_URL?.replace(/\/$/, '') ?? `http://${host}:${port}`;
  const lines = [`API         ${url}/api`];
  if (config.SWAGGER === 'on') lines.push(`Swagger UI  ${url}/docs`);
  const metricsPort = app.get(MetricsServerService).port;
  if (metricsPort !== undefined) lines.push(`Metrics     http://${host}:${metricsPort}/metrics`);
  if (config.NODE_ENV === 'development' && hasExample()) lines.push(`Example     ${url}/example`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Stops the server on SIGTERM, SIGINT and unexpected errors, also during the start. A second signal exits at once. */
function stopOnSignals(server: Server, { DRAIN_SECONDS }: Config, log: Logger): void {
  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince > REPEATED_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = Date.now();
    log.info(`Received ${reason}; stopping`);
    setTimeout(() => process.exit(1), (DRAIN_SECONDS + CLOSE_TIMEOUT_SECONDS) * 1000);
    const isClean = await server.stop();
    if (isTracingRequested()) await (await import('./tracing/sdk.js')).stopTracing();
    log.info('Stopped');
    process.exit(isClean ? exitCode : 1);
  };
  const stopOnError = (error: unknown): void => {
    log.fatal({ err: error }, 'Unexpected error');
    void stop('an unexpected error', 1);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  process.on('uncaughtException', stopOnError);
  process.on('unhandledRejection', stopOnError);
}

function exitWithStartError(error: unknown): never {
  process.stderr.write(`${explain(error as Error)}\n`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}

/** One sentence for the operator; a stack trace for a defect. */
function explain(error: Error): string {
  const isExplained = [ConfigError, EmbeddedPostgresError, DatabaseError].some((kind) => error instanceof kind);
  if (isExplained) return error.message;
  if (error instanceof QueryFailedError)
    return `Machi cannot start: the database refuses a statement (${error.message}).`;
  return `Machi cannot start: ${error.stack ?? String(error)}`;
}

/** When a signal or an unexpected error began to stop the process; then that decides over the exit code. */
let stoppingSince: number | undefined;

try {
  const config = loadConfig();
  const log = await createLogger(config);
  for (const notice of config.notices) log.warn(notice);
  if (config.WORKERS > 1 && cluster.isPrimary) new WorkerProcesses(config, log).start();
  else {
    const server = new Server(config, log);
    stopOnSignals(server, config, log);
    await server.start();
  }
} catch (error) {
  if (stoppingSince === undefined) exitWithStartError(error);
}
