import { applyDecorators, type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { ApiExtension, ApiResponse } from '@nestjs/swagger';
import type { Response } from 'express';
import { logFailure } from '../../http/problems/log-failure.js';
import { type ProblemCode, PROBLEMS } from '../../http/problems/problem-catalogue.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { ERRORS, type ErrorKey, KanjikuError, MESSAGES, type SuccessKey } from './message-keys.js';
import { KanjikuMessageDto } from './kanjiku.dto.js';
import { closeIfRequestIncomplete } from '../../http/problems/close-if-request-incomplete.js';

/** Problems of our services that have a key of the manga site. Other problems have their own code as the key. */
const KEYS: Partial<Record<ProblemCode, ErrorKey>> = {
  username_taken: 'errors.username_taken',
  email_taken: 'errors.email_taken',
  password_refused: 'errors.validation_error',
  validation_failed: 'errors.validation_error',
  invalid_credentials: 'errors.login_wrong_password',
  two_step_required: 'errors.two_factor_required',
  user_not_found: 'errors.user_does_not_exist',
  session_not_found: 'errors.no_session',
};

/** Statuses that the manga site never sent: its clients know 400 for all errors of a request. */
const STATUSES_AS_400 = new Set([401, 409, 415, 422]);

/** Answers errors as `{ msg, msg_key }`, as clients of the manga site expect. */
@Catch()
export class KanjikuFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    closeIfRequestIncomplete(response);
    if (error instanceof KanjikuError) {
      response.status(error.status).json({ msg: error.message, msg_key: error.key });
      return;
    }
    const problem = mapToProblem(error);
    logFailure(problem);
    const { 'www-authenticate': _, ...headers } = problem.headers; // the tokens travel in cookies
    const key = KEYS[problem.code];
    const status = key === 'errors.no_session' || STATUSES_AS_400.has(problem.getStatus()) ? 400 : problem.getStatus();
    response.set(headers).status(status);
    response.json({ msg: sentenceOf(problem, key), msg_key: key ?? `errors.${problem.code}` });
  }
}

/** What is wrong with the first invalid field says more than the sentence of the key. */
function sentenceOf(problem: ReturnType<typeof mapToProblem>, key: ErrorKey | undefined): string {
  const errors = problem.members['errors'] as { message: string }[] | undefined;
  return errors?.[0]?.message ?? (key ? ERRORS[key] : problem.message);
}

const COMMON_ERRORS: Record<number, string[]> = {
  400: ['errors.malformed_json', 'errors.unsupported_media_type'],
  403: ['errors.foreign_origin'],
  413: ['errors.body_too_large'],
  429: ['errors.rate_limited'],
  503: ['errors.busy', 'errors.database_unavailable'],
};
const COMMON_SENTENCES = {
  'errors.malformed_json': PROBLEMS.malformed_json[1],
  'errors.unsupported_media_type': PROBLEMS.unsupported_media_type[1],
  'errors.foreign_origin': PROBLEMS.foreign_origin[1],
  'errors.body_too_large': PROBLEMS.body_too_large[1],
  'errors.rate_limited': PROBLEMS.rate_limited[1],
  'errors.busy': PROBLEMS.busy[1],
  'errors.database_unavailable': PROBLEMS.database_unavailable[1],
};

/** Documents the responses `{ msg, msg_key }` of a route, by status. */
export function MessageKeys(keys: Record<number, (ErrorKey | SuccessKey)[]>): MethodDecorator {
  const sentences: Record<string, string> = { ...MESSAGES, ...ERRORS, ...COMMON_SENTENCES };
  return applyDecorators(
    ApiExtension('x-own-errors', true),
    ...Object.keys({ ...keys, ...COMMON_ERRORS }).map((status) => {
      const names = [...(keys[Number(status)] ?? []), ...(COMMON_ERRORS[Number(status)] ?? [])];
      const examples = Object.fromEntries(
        names.map((name) => [name, { value: { msg: sentences[name], msg_key: name } }]),
      );
      return ApiResponse({
        status: Number(status),
        description: names.join(' | '),
        type: KanjikuMessageDto,
        examples: examples as never,
      });
    }),
  );
}
