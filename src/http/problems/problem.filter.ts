import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { mapToProblem } from './problem-mapping.js';
import { sendProblem } from './problem-response.js';

/** Answers errors of routes with problem+json. Logs those with a status of 500 and above, with their cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    if (problem.getStatus() >= 500)
      this.log.error({ err: problem.cause ?? error, code: problem.code }, 'request failed');
    sendProblem(host.switchToHttp().getResponse<ServerResponse>(), problem);
  }
}
