import { Logger, type LoggerService } from '@nestjs/common';
import type { Problem } from './problem.js';

const requests = new Logger('Requests');

/**
 * Logs a problem with a status of 500 and above: its cause with the stack; one without a cause, such as `busy` or `not_ready`, as
 * one line, because it is a decision of ours.
 */
export function logFailure(problem: Problem, log: LoggerService = requests): void {
  if (problem.getStatus() < 500) return;
  const { cause, code, members, message } = problem;
  if (cause !== undefined) log.error(cause);
  else log.warn([`${code}: ${message}`, ...Object.values(members).map((member) => JSON.stringify(member))].join(' '));
}
