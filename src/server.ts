import type { NestExpressApplication } from '@nestjs/platform-express';
import cluster from 'node:cluster';
import type { Logger } from 'pino';
import { ConfigError } from './config/config-error.js';
import type { Config } from './config/config.js';
import { isTracingRequested } from './config/environment/tracing-variables.js';
import type { DatabaseConnection } from './config/database/database-connection.js';
import { loadConfig } from './config/load-config.js';
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { EmbeddedPostgresError } from './database/embedded/embedded-postgres-error.js';
import { DatabaseError } from './database/database-error.js';
import { reachDatabase } from './database/connections/reach-database.js';
import type { HttpAdapter } from './http/http-adapter.js';
import { LogOutput } from './http/log/log-output.js';
import { createLogger } from './http/log/logger.js';
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

  /** Starts PostgreSQL while the modules load, then the application. If one fails, stops those that were started, and throws. */
  async start(): Promise<void> {
    const { config, log } = this;
    try {
      const [configured, { createApplication, startApplication }] = await Promise.all([
        config.database ?? this.startPostgres(),
        import('./application.js'), // takes most of a start; PostgreSQL starts meanwhile
      ]);
      const database = await reachDatabase(configured, config.directDatabase, log);
      this.app = await createApplication(config, database, log);
      await startApplication(this.app, config);
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

/**
 * Stops the server on SIGTERM, SIGINT and unexpected errors, also during the start. A second signal exits at once; an error while the
 * server stops does not, since requests are still being answered.
 */
function stopOnSignals(server: Server, { DRAIN_SECONDS }: Config, log: Logger, output: LogOutput): void {
  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince > REPEATED_SIGNAL_MS) await output.exit(1);
      return;
    }
    stoppingSince = Date.now();
    log.info(`Received ${reason}; stopping`);
    setTimeout(() => void output.exit(1), (DRAIN_SECONDS + CLOSE_TIMEOUT_SECONDS) * 1000);
    const isClean = await server.stop();
    if (isTracingRequested()) await (await import('./tracing/sdk.js')).stopTracing();
    log.info('Stopped');
    await output.exit(isClean ? exitCode : 1);
  };
  const stopOnError = (error: unknown): void => {
    log.fatal({ err: error }, 'Unexpected error');
    if (stoppingSince === undefined) void stop('an unexpected error', 1);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  process.on('uncaughtException', stopOnError);
  process.on('unhandledRejection', stopOnError);
}

async function exitWithStartError(error: unknown, output: LogOutput): Promise<void> {
  process.stderr.write(`${explain(error as Error)}\n`);
  await output.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}

/** One sentence for the operator; a stack trace for a defect. */
function explain(error: Error): string {
  const isExplained = [ConfigError, EmbeddedPostgresError, DatabaseError].some((kind) => error instanceof kind);
  if (isExplained) return error.message;
  if (error.name === 'QueryFailedError')
    return `Machi cannot start: the database refuses a statement (${error.message}).`;
  return `Machi cannot start: ${error.stack ?? String(error)}`;
}

/** When a signal or an unexpected error began to stop the process; then that decides over the exit code. */
let stoppingSince: number | undefined;
const output = new LogOutput();

try {
  const config = loadConfig();
  const log = await createLogger(config, output);
  for (const notice of config.notices) log.warn(notice);
  if (config.WORKERS > 1 && cluster.isPrimary) new WorkerProcesses(config, log, output).start();
  else {
    const server = new Server(config, log);
    stopOnSignals(server, config, log, output);
    await server.start();
  }
} catch (error) {
  if (stoppingSince === undefined) await exitWithStartError(error, output);
}
