import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { answer } from './http-adapter.js';
import { mapToProblem } from './problem-mapping.js';

/** Turns whatever a route throws into problem+json; only failures of ours are logged as errors, with their cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    if (problem.status >= 500) this.log.error({ err: problem.cause ?? error, code: problem.code }, 'request failed');
    answer(host.switchToHttp().getResponse<ServerResponse>(), problem);
  }
}
