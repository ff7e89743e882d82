import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import cluster from 'node:cluster';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { FirstAdministratorService } from './account/first-administrator.service.js';
import { configureApp, NEST_OPTIONS } from './app.js';
import { AppModule } from './app.module.js';
import { ConfigError } from './config/config-error.js';
import type { Config } from './config/config.js';
import { openDatabase } from './database/open-database.js';
import type { ReachedDatabase } from './database/connections/reach-database.js';
import { hasExample } from './http/example.js';
import { HttpAdapter } from './http/http-adapter.js';
import { NestLogger } from './http/log/logger.js';
import { MetricsServerService } from './http/metrics/metrics-server.service.js';

/** Opens the pool, runs pending migrations if `MIGRATE=on`, and creates the application. Throws DatabaseError or ConfigError. */
export async function createApplication(
  config: Config,
  { connection, direct }: ReachedDatabase,
  log: Logger,
): Promise<NestExpressApplication> {
  const pool = { size: config.DB_POOL_SIZE, isPooled: direct !== undefined };
  const migrateVia = config.MIGRATE === 'on' ? (direct ?? connection) : undefined;
  const dataSource = await openDatabase(connection, pool, log, migrateVia);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forRoot(config, dataSource, direct),
    new HttpAdapter(),
    { ...NEST_OPTIONS, logger: new NestLogger(log) },
  );
  return configureApp(app, config, log);
}

/** Initialises the application, creates the first administrator, listens, and prints the address. Throws ConfigError. */
export async function startApplication(app: NestExpressApplication, config: Config): Promise<void> {
  await app.init();
  const password = await app.get(FirstAdministratorService).ensure();
  if (password !== undefined) printPassword(config, password); // at once: the rest of the start may fail
  await listen(app, config);
  if (cluster.isPrimary || cluster.worker?.id === 1) printStartMessage(app, config);
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
