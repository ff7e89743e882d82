import { applyDecorators, type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { ApiExtension, ApiResponse } from '@nestjs/swagger';
import type { Response } from 'express';
import type { OperationOutcome, OperationOutcomeIssue } from 'fhir/r4.js';
import { logFailure } from '../../http/problems/log-failure.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { type FieldError, Problem } from '../../http/problems/problem.js';

export const FHIR_JSON = 'application/fhir+json';

/** Issue types of FHIR by status. */
const ISSUE_TYPES: Record<number, OperationOutcomeIssue['code']> = {
  400: 'invalid',
  401: 'login',
  403: 'forbidden',
  404: 'not-found',
  422: 'invalid',
  429: 'throttled',
  503: 'transient',
};

/** Answers errors of FHIR routes with an OperationOutcome. `details.text` is the code of the problem. */
@Catch()
export class FhirErrorFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const problem = mapToProblem(error);
    logFailure(problem);
    const response = host.switchToHttp().getResponse<Response>();
    response.set({ ...problem.headers, 'cache-control': 'no-store' }).status(problem.getStatus());
    response.type(FHIR_JSON).send(JSON.stringify(toOutcome(problem)));
  }
}

function toOutcome(problem: Problem): OperationOutcome {
  const code = ISSUE_TYPES[problem.getStatus()] ?? 'exception';
  const details = { text: problem.code };
  const errors = problem.members['errors'] as FieldError[] | undefined;
  const issues = (errors ?? [{ path: '', message: problem.message }]).map(({ path, message }) => ({
    severity: 'error' as const,
    code,
    details,
    diagnostics: message,
    ...(path === '' ? {} : { expression: [`http.${path}`] }),
  }));
  return { resourceType: 'OperationOutcome', issue: issues };
}

/** Documents the errors of a FHIR route. */
export const ApiFhirErrors = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiExtension('x-own-errors', true),
    ...(
      [
        [400, 'invalid_id'],
        [401, 'token_required'],
        [403, 'forbidden'],
        [404, 'registration_not_found'],
        [413, 'body_too_large'],
        [415, 'unsupported_media_type'],
        [422, 'validation_failed'],
        [429, 'rate_limited'],
        [503, 'database_unavailable'],
      ] as const
    ).map(([status, code]) =>
      ApiResponse({
        status,
        description: `OperationOutcome (${code})`,
        content: {
          [FHIR_JSON]: {
            schema: { type: 'object', additionalProperties: true },
            examples: { [code]: { value: toOutcome(new Problem(code)) } },
          },
        },
      }),
    ),
  );
