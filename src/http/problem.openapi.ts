import type { OpenAPIObject } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { isUnsafe } from './origin.guard.js';
import { type ProblemCode, PROBLEMS } from './problem-catalogue.js';
import { isTokenProblem, isUnavailable, Problem, tokenProblem, unavailable, validationFailed } from './problem.js';

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
    title: { type: 'string', description: 'The reason phrase of the HTTP status.', example: 'Unprocessable Entity' },
    status: { type: 'integer', example: 422 },
    code: { type: 'string', description: 'A stable code for clients to switch on.', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string', description: 'What went wrong and what to do next.' },
    request_id: {
      type: 'string',
      format: 'uuid',
      description: 'Also sent in the header X-Request-Id and written to the log.',
    },
    msg: { type: 'string', description: 'Sent with a 401 about the token.' },
    errors: {
      type: 'array',
      description: 'The invalid fields.',
      items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
    challenge: { type: 'string', description: 'Sent with "two_step_required"; send it back with a code.' },
    challenge_expires_at: { type: 'string', format: 'date-time', description: 'Sent with "two_step_required".' },
    checks: { type: 'object', description: 'Sent with "not_ready": the result of each check.' },
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

/**
 * Adds the problem responses of each operation to the document: those that the route declares (`@ApiProblems`,
 * `@RateLimit`), and those that follow from its access, its parameters and its body.
 */
export function documentProblems(document: OpenAPIObject): OpenAPIObject {
  (document.components ??= {}).schemas = { ...document.components?.schemas, Problem: PROBLEM_SCHEMA as never };
  for (const item of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      addProblemResponses(method.toUpperCase(), operation);
    }
  }
  return document;
}

function addProblemResponses(method: string, operation: Operation): void {
  const codes = new Set([...impliedProblems(method, operation), ...(operation['x-problems'] ?? [])]);
  delete operation['x-problems'];
  delete operation['x-quota'];
  if (operation['x-plain-text']) return; // such a route documents its errors itself
  const statuses = new Set([...codes].map(statusOf).toSorted((a, b) => a - b));
  for (const status of statuses) {
    const ofStatus = [...codes].filter((code) => statusOf(code) === status);
    operation.responses[String(status)] = toResponse(status, ofStatus);
  }
}

const statusOf = (code: ProblemCode): number => PROBLEMS[code][0];

const toResponse = (status: number, codes: ProblemCode[]) => ({
  description: STATUS_CODES[status] ?? 'Error',
  ...(codes.includes('rate_limited') ? { headers: RATE_LIMIT_HEADERS } : {}),
  content: {
    'application/problem+json': {
      schema: { $ref: '#/components/schemas/Problem' },
      examples: Object.fromEntries(codes.map((code) => [code, { value: toExample(code) }])),
    },
  },
});

function impliedProblems(method: string, operation: Operation): ProblemCode[] {
  const parameters = (operation.parameters ?? []) as { in: string }[];
  const codes: ProblemCode[] = [];
  if (isUnsafe(method)) codes.push('foreign_origin');
  if (operation.security) codes.push('token_required', 'invalid_token', 'token_expired', 'database_unavailable');
  if (operation['x-permissions']?.length) codes.push('forbidden');
  if (operation['x-quota']) codes.push('rate_limited', 'database_unavailable');
  if (parameters.some((parameter) => parameter.in === 'path')) codes.push('invalid_id');
  if (parameters.some((parameter) => parameter.in === 'query')) codes.push('validation_failed');
  if (operation.requestBody) {
    codes.push('malformed_json', 'body_too_complex', 'invalid_text', 'body_too_large', 'unsupported_media_type');
    codes.push('validation_failed', 'database_unavailable');
  }
  return codes;
}

const EXAMPLE_REQUEST_ID = '7d4d6a3e-0f0e-4a53-9f39-6f4c7c3f1b11';
const EXAMPLE_ERRORS = [{ path: 'field', message: 'what is wrong with it' }];

const toExample = (code: ProblemCode): Record<string, unknown> => newExample(code).toBody(EXAMPLE_REQUEST_ID);

function newExample(code: ProblemCode): Problem {
  if (code === 'validation_failed') return validationFailed(EXAMPLE_ERRORS);
  if (code === 'password_refused') return new Problem(code, { members: { errors: EXAMPLE_ERRORS } });
  if (isTokenProblem(code)) return tokenProblem(code);
  return isUnavailable(code) ? unavailable(code) : new Problem(code);
}
