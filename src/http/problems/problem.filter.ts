import { type ArgumentsHost, Catch, type ExceptionFilter, type LoggerService } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { logFailure } from './log-failure.js';
import { mapToProblem } from './problem-mapping.js';
import { sendProblem } from './problem-response.js';

/** Answers errors of routes with problem+json. Logs those with a status of 500 and above. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: LoggerService) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    logFailure(problem, this.log);
    sendProblem(host.switchToHttp().getResponse<ServerResponse>(), problem);
  }
}
