import { applyDecorators, type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { ApiExtension, ApiResponse } from '@nestjs/swagger';
import type { Response } from 'express';
import type { ProblemCode } from '../../http/problem-catalogue.js';
import { mapToProblem } from '../../http/problem-mapping.js';

/** The chat app's own words, where its document has any. */
const SENTENCES: Partial<Record<ProblemCode, string>> = {
  malformed_json: 'not a valid json',
  username_taken: 'username already exists',
  two_step_required: 'two-step sign-in is on: sign in with a client that knows it',
  invalid_credentials: 'mismatch username and password',
  token_required: 'login-token required',
  invalid_token: 'invalid login-token',
  token_expired: 'invalid login-token',
};

/** Clients of the chat app read problems as a sentence of plain text. */
@Catch()
export class PlainTextFilter implements ExceptionFilter {
  private readonly log = new Logger('PlainTextFilter');

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    if (problem.getStatus() >= 500) this.log.error(problem.cause ?? error);
    const errors = problem.members['errors'] as { message: string }[] | undefined;
    const response = host.switchToHttp().getResponse<Response>();
    if (!response.req.complete) response.set('connection', 'close');
    response.set(problem.headers).status(problem.getStatus() === 422 ? 400 : problem.getStatus());
    response.type('text/plain').send(errors?.[0]?.message ?? SENTENCES[problem.code] ?? problem.message);
  }
}

/** Documents a route by its answers of plain text: examples by status. */
export const PlainText = (answers: Record<number, string[]>): MethodDecorator =>
  applyDecorators(
    ApiExtension('x-plain-text', true),
    ...Object.entries(answers).map(([status, texts]) => {
      const examples = Object.fromEntries(texts.map((value) => [value, { value }]));
      const content = { 'text/plain': { schema: { type: 'string' as const }, examples } };
      return ApiResponse({ status: Number(status), description: texts.join(' | '), content });
    }),
  );
