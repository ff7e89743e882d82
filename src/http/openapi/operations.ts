import type { OpenAPIObject } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { type ProblemCode, PROBLEMS } from '../problems/problem-catalogue.js';
import type { FieldError } from '../problems/problem.js';
import { isUnsafe } from '../origin.guard.js';
import { PROBLEM_SCHEMAS, schemaOf, toExample } from './problem-schemas.js';
import { splitComment } from './summaries.js';
import { refToHeaders, RESPONSE_HEADERS } from './response-headers.js';

type Schema = { $ref?: string; type?: string; properties?: Record<string, Schema>; required?: string[] };
type Schemas = Record<string, Schema>;

type Operation = Omit<NonNullable<OpenAPIObject['paths'][string]['get']>, 'parameters' | 'responses'> & {
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  parameters?: { in: string; name: string; schema: Schema }[];
  responses: Record<string, { headers?: object; content?: object; [key: string]: unknown }>;
  'x-problems'?: ProblemCode[];
  'x-permissions'?: string[];
  'x-own-errors'?: boolean;
  'x-quota'?: string;
  'x-refresh-cookie'?: true;
  'x-form-body'?: string;
};

/**
 * Completes the operations of the document with what follows from their routes: the problem responses that the route
 * declares (`@ApiProblems`, `@RateLimit`) and those of its access, parameters and body; the response headers; whether the
 * body may be left out; `security`, also for public routes; a short summary and a description.
 */
export function completeOperations(document: OpenAPIObject): OpenAPIObject {
  document.components = { ...document.components, headers: RESPONSE_HEADERS };
  const schemas = (document.components.schemas = { ...document.components.schemas, ...PROBLEM_SCHEMAS });
  for (const item of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      const field = exampleField(operation, schemas as Schemas);
      addProblemResponses(method.toUpperCase(), operation, field);
      addHeaders(operation);
      addFormBody(operation);
      for (const name of ['x-problems', 'x-quota', 'x-refresh-cookie', 'x-form-body'] as const) delete operation[name];
      if (operation.requestBody) operation.requestBody.required = isBodyRequired(operation, schemas as Schemas);
      operation.security ??= [];
      splitComment(operation);
    }
  }
  return document;
}

/** A route that takes JSON or a form: the form has a schema of its own, because JSON cannot hold its files. */
function addFormBody({ requestBody, 'x-form-body': $ref }: Operation): void {
  if (requestBody && $ref !== undefined) requestBody.content['multipart/form-data'] = { schema: { $ref } };
}

const bodySchema = ({ requestBody }: Operation, schemas: Schemas): Schema | undefined => {
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema;
  return schema?.$ref ? schemas[schema.$ref.split('/').at(-1)!] : schema;
};

/** A body without required fields may be left out: the server reads it as an empty object. */
const isBodyRequired = (operation: Operation, schemas: Schemas): boolean =>
  (bodySchema(operation, schemas)?.required ?? []).length > 0;

/** The field that examples of `validation_failed` name: the first of the body, or the first query parameter. */
function exampleField(operation: Operation, schemas: Schemas): FieldError {
  const fields = Object.entries(bodySchema(operation, schemas)?.properties ?? {});
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  const [path, { type = 'string' }] = fields[0] ?? [query[0]?.name ?? 'field', query[0]?.schema ?? {}];
  return { path, message: `${path} must be ${/^[aio]/.test(type) ? 'an' : 'a'} ${type}` };
}

/** Headers that follow from the status. A route with a limit of its own also reports the limit when it succeeds. */
function addHeaders({ responses, 'x-quota': quota, 'x-refresh-cookie': maySetCookie }: Operation): void {
  for (const [status, response] of Object.entries(responses)) {
    response.headers = {
      ...refToHeaders('X-Request-Id'),
      ...(['429', '503'].includes(status) ? refToHeaders('Retry-After') : {}),
      ...(maySetCookie && status < '300' ? refToHeaders('Set-Cookie') : {}),
      ...(quota !== undefined && status < '400' ? refToHeaders('RateLimit', 'RateLimit-Policy') : {}),
      ...response.headers,
    };
  }
}

/** A route may answer the same status in another format, too. */
function addProblemResponses(method: string, operation: Operation, field: FieldError): void {
  const codes = new Set([...impliedProblems(method, operation), ...(operation['x-problems'] ?? [])]);
  if (operation['x-own-errors']) return; // such a route documents its errors itself
  const statuses = new Set([...codes].map(statusOf).toSorted((a, b) => a - b));
  for (const status of statuses) {
    const ofStatus = [...codes].filter((code) => statusOf(code) === status);
    const { content: own } = operation.responses[String(status)] ?? {};
    const response = toResponse(status, ofStatus, field);
    operation.responses[String(status)] = { ...response, content: { ...own, ...response.content } };
  }
}

const statusOf = (code: ProblemCode): number => PROBLEMS[code][0];

const toResponse = (status: number, codes: ProblemCode[], field: FieldError) => ({
  description: STATUS_CODES[status] ?? 'Error',
  headers: codes.includes('rate_limited') ? refToHeaders('RateLimit', 'RateLimit-Policy') : {},
  content: {
    'application/problem+json': {
      schema: schemaOf(codes),
      examples: Object.fromEntries(codes.map((code) => [code, { value: toExample(code, field) }])),
    },
  },
});

function impliedProblems(method: string, operation: Operation): ProblemCode[] {
  const parameters = operation.parameters ?? [];
  const codes: ProblemCode[] = [];
  if (operation.security) codes.push('token_required', 'invalid_token', 'token_expired', 'database_unavailable');
  if (operation['x-permissions']?.length) codes.push('forbidden');
  else if (isUnsafe(method) && operation.security) codes.push('rate_limited');
  if (isUnsafe(method)) codes.push('foreign_origin');
  if (operation['x-quota']) codes.push('rate_limited', 'database_unavailable');
  if (parameters.some((parameter) => parameter.in === 'path')) codes.push('invalid_id');
  if (parameters.some((parameter) => parameter.in === 'query')) codes.push('validation_failed');
  if (operation.requestBody) {
    if ('application/json' in operation.requestBody.content) codes.push(...JSON_PROBLEMS);
    codes.push('unsupported_media_type', 'invalid_text', 'validation_failed', 'database_unavailable');
  }
  return codes;
}

const JSON_PROBLEMS: ProblemCode[] = ['malformed_json', 'body_too_complex', 'body_too_large'];
