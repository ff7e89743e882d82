import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { requestId } from './request-log.js';
import { toProblem } from './translate.js';

/** Turns whatever a route throws into problem+json; only failures of ours are logged as errors, with their cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = toProblem(error);
    if (problem.status >= 500) this.log.error({ err: problem.cause ?? error, code: problem.code }, 'request failed');
    const http = host.switchToHttp();
    const response = http.getResponse<Response>();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (!http.getRequest<Request>().complete) response.set('connection', 'close'); // the rest of its body is not wanted
    response
      .status(problem.status)
      .set(problem.headers)
      .set('content-type', 'application/problem+json')
      .end(JSON.stringify(problem.toBody(requestId())));
  }
}
