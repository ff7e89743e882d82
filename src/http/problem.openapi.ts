import type { OpenAPIObject } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import {
  isUnavailable,
  Problem,
  type ProblemCode,
  PROBLEMS,
  tokenProblem,
  unavailable,
  validationFailed,
} from './problem.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & {
  'x-problems'?: ProblemCode[];
  'x-permissions'?: string[];
  'x-plain-text'?: boolean;
  'x-quota'?: string;
};

const PROBLEM_SCHEMA = {
  type: 'object',
  description: 'RFC 9457 problem details.',
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  properties: {
    type: { type: 'string', example: 'about:blank' },
    title: { type: 'string', description: 'The phrase of the HTTP status.', example: 'Unprocessable Entity' },
    status: { type: 'integer', example: 422 },
    code: { type: 'string', description: 'Stable; switch on this.', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string', description: 'For people: what went wrong and what to do next.' },
    request_id: { type: 'string', format: 'uuid', description: 'Also in the header X-Request-Id and in the logs.' },
    msg: { type: 'string', description: 'On a 401 about the token.' },
    errors: {
      type: 'array',
      description: 'What is wrong with which field.',
      items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
    challenge: { type: 'string', description: 'With "two_step_required": send it with a code.' },
    challenge_expires_at: { type: 'string', format: 'date-time', description: 'With "two_step_required".' },
    checks: { type: 'object', description: 'With "not_ready": the result of each check.' },
  },
};

const header = (description: string, example: string) => ({
  description,
  schema: { type: 'string' as const, example },
});

const RATE_LIMIT_HEADERS = {
  'Retry-After': header('Seconds to wait.', '60'),
  RateLimit: header('What is left of the limit, and the seconds until it resets.', '"sign-in";r=0;t=60'),
  'RateLimit-Policy': header('The limit, and its window in seconds.', '"sign-in";q=5;w=86400'),
};

/** Adds each operation's problems to the document: its own (`@Problems`), and those that follow from its shape. */
export function documentProblems(document: OpenAPIObject): OpenAPIObject {
  (document.components ??= {}).schemas = { ...document.components?.schemas, Problem: PROBLEM_SCHEMA as never };
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item as Record<string, Operation>)) describe(operation);
  }
  return document;
}

function describe(operation: Operation): void {
  const codes = [...new Set([...impliedProblems(operation), ...(operation['x-problems'] ?? [])])];
  delete operation['x-problems'];
  delete operation['x-quota'];
  if (operation['x-plain-text']) return; // documents its errors itself
  for (const status of new Set(codes.map((code) => PROBLEMS[code][0]).toSorted((a, b) => a - b))) {
    const examples = codes
      .filter((code) => PROBLEMS[code][0] === status)
      .map((code) => [code, { value: example(code) }]);
    operation.responses[String(status)] = {
      description: STATUS_CODES[status] ?? 'Error',
      ...(status === 429 ? { headers: RATE_LIMIT_HEADERS } : {}),
      content: {
        'application/problem+json': {
          schema: { $ref: '#/components/schemas/Problem' },
          examples: Object.fromEntries(examples) as Record<string, { value: unknown }>,
        },
      },
    };
  }
}

function impliedProblems(operation: Operation): ProblemCode[] {
  const parameters = (operation.parameters ?? []) as { in: string }[];
  const codes: ProblemCode[] = [];
  if (operation.security) codes.push('token_required', 'invalid_token', 'token_expired', 'database_unavailable');
  if (operation['x-quota']) codes.push('rate_limited', 'database_unavailable');
  if (operation['x-permissions']?.length) codes.push('forbidden');
  if (parameters.some((parameter) => parameter.in === 'path')) codes.push('invalid_id');
  if (parameters.some((parameter) => parameter.in === 'query')) codes.push('validation_failed');
  if (operation.requestBody) {
    codes.push('malformed_json', 'body_too_complex', 'invalid_text', 'body_too_large', 'unsupported_media_type');
    codes.push('validation_failed', 'database_unavailable');
  }
  return codes;
}

const EXAMPLE_REQUEST_ID = '7d4d6a3e-0f0e-4a53-9f39-6f4c7c3f1b11';

function example(code: ProblemCode): Record<string, unknown> {
  const errors = [{ path: 'field', message: 'what is wrong with it' }];
  const problem =
    code === 'validation_failed'
      ? validationFailed(errors)
      : code === 'token_required' || code === 'invalid_token' || code === 'token_expired' || code === 'token_reused'
        ? tokenProblem(code)
        : isUnavailable(code)
          ? unavailable(code)
          : new Problem(code, code === 'password_refused' ? { members: { errors } } : {});
  return problem.toBody(EXAMPLE_REQUEST_ID);
}
