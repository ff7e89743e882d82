import { applyDecorators, type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { ApiExtension, ApiResponse } from '@nestjs/swagger';
import type { Response } from 'express';
import { logFailure } from '../../http/problems/log-failure.js';
import { type ProblemCode, PROBLEMS } from '../../http/problems/problem-catalogue.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { closeIfRequestIncomplete } from '../../http/problems/close-if-request-incomplete.js';

/** Sentences that the chat app's document defines. */
const SENTENCES: Partial<Record<ProblemCode, string>> = {
  malformed_json: 'not a valid json',
  username_taken: 'username already exists',
  two_step_required: 'two-factor authentication is on: sign in with a client that supports it',
  invalid_credentials: 'mismatch username and password',
  token_required: 'login-token required',
  invalid_token: 'invalid login-token',
  token_expired: 'invalid login-token',
};

/** Answers errors as one sentence of plain text, as clients of the chat app expect. */
@Catch()
export class PlainTextFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    logFailure(problem);
    const errors = problem.members['errors'] as { message: string }[] | undefined;
    const response = host.switchToHttp().getResponse<Response>();
    closeIfRequestIncomplete(response);
    response.set(problem.headers).status(problem.getStatus() === 422 ? 400 : problem.getStatus());
    response.type('text/plain').send(errors?.[0]?.message ?? SENTENCES[problem.code] ?? problem.message);
  }
}

/** Errors that several routes of the chat app answer, by status. */
export const CHATAPP_ERRORS = {
  400: ['not a valid json', 'username required', 'username should be a string', 'username should not be empty'],
  403: [PROBLEMS.foreign_origin[1]],
  413: [PROBLEMS.body_too_large[1]],
  415: [PROBLEMS.unsupported_media_type[1]],
  429: [PROBLEMS.rate_limited[1]],
  503: [PROBLEMS.busy[1], PROBLEMS.database_unavailable[1]],
};

/** The description of a plain-text response, with each text as an example. */
export const plainText = (texts: string[]) => ({
  description: texts.join(' | '),
  content: {
    'text/plain': {
      schema: { type: 'string' as const },
      examples: Object.fromEntries(texts.map((value) => [value, { value }])),
    },
  },
});

/** Documents the plain-text responses of a route: examples by status. */
export const PlainText = (answers: Record<number, string[]>): MethodDecorator =>
  applyDecorators(
    ApiExtension('x-own-errors', true),
    ...Object.entries(answers).map(([status, texts]) => ApiResponse({ status: Number(status), ...plainText(texts) })),
  );
