import type { LoggerService } from '@nestjs/common';
import { type Logger, pino, type SerializedError, stdSerializers } from 'pino';
import type { Config } from '../../config/config.js';
import { traceIds } from '../../tracing/tracing.js';
import type { LogOutput } from './log-output.js';
import { requestId } from './request-context.js';

/** Fields of database errors that contain personal data, such as query parameters. They must not be logged. */
const PRIVATE_ERROR_FIELDS = new Set([
  'parameters',
  'driverError',
  'detail',
  'query',
  'hint',
  'where',
  'raw',
  'aggregateErrors',
]);

/** Serializes an error for the log, without personal data. */
export function serializeError(error: Error): SerializedError {
  const serialized = stdSerializers.err(error);
  return Object.fromEntries(
    Object.entries(serialized).filter(([key]) => !PRIVATE_ERROR_FIELDS.has(key)),
  ) as SerializedError;
}

/**
 * Writes JSON lines to the output; in development, readable text. Lines written while a request is handled carry its id, and that of its trace
 * if traces are on.
 */
export async function createLogger(config: Config, output: LogOutput): Promise<Logger> {
  const options = {
    level: config.LOG_LEVEL,
    base: { app: config.APP_NAME },
    serializers: { err: serializeError },
    mixin: () => {
      const id = requestId();
      return { ...(id === undefined ? undefined : { request_id: id }), ...traceIds() };
    },
  };
  if (config.NODE_ENV !== 'development') {
    const log = pino(options, output);
    output.onDropped((lines) => log.warn(`${lines} log lines were dropped: nobody read standard output`));
    return log;
  }
  const { default: pretty } = await import('pino-pretty');
  return pino(
    options,
    pretty({
      sync: true,
      singleLine: true,
      ignore: 'pid,hostname,app,method,path,status',
      translateTime: 'SYS:HH:MM:ss.l',
    }),
  );
}

/** Contexts in which Nest logs the steps of its start, which operators do not need. */
const START_CONTEXTS = /^(Nest|Instance|Route|WebSockets)/;

/** Writes the log lines of Nest and of services with pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    const level = typeof context === 'string' && !START_CONTEXTS.test(context) ? 'info' : 'debug';
    this.logger[level]({ context }, String(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn({ context: rest.at(-1) }, String(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    const err = message instanceof Error ? message : undefined;
    this.logger.error({ err, context: rest.at(-1) }, err ? err.message : String(message));
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal({ context: rest.at(-1) }, String(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug({ context: rest.at(-1) }, String(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace({ context: rest.at(-1) }, String(message));
  }
}
