import type { OpenAPIObject } from '@nestjs/swagger';
import { type ProblemCode, PROBLEMS } from '../problems/problem-catalogue.js';
import { isTokenProblem, isUnavailable, Problem, tokenProblem, unavailable } from '../problems/problem.js';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

/** A problem with members of its own: the schema, its codes, and its members with their examples. */
interface Kind {
  codes: ProblemCode[];
  description: string;
  members: Record<string, Schema>;
  example: Record<string, unknown>;
}

const ALL_CODES = Object.keys(PROBLEMS) as ProblemCode[];
const TIME = '2026-01-08T12:00:00.000Z';

const FIELD_ERRORS: Schema = {
  type: 'array',
  description: 'The invalid fields.',
  items: {
    type: 'object',
    required: ['path', 'message'],
    properties: {
      path: { type: 'string', description: 'The field; dots separate nested names.' },
      message: { type: 'string' },
    },
  },
};

/** Every code belongs to one schema, so that a client that has compared `code` knows the members. */
const KINDS: Record<string, Kind> = {
  ValidationProblem: {
    codes: ['validation_failed', 'password_refused'],
    description: 'Fields of the request are not valid.',
    members: { errors: FIELD_ERRORS },
    example: { errors: [{ path: 'password', message: 'password must have at least 8 bytes' }] },
  },
  TokenProblem: {
    codes: ALL_CODES.filter(isTokenProblem),
    description: 'The token is missing or not valid.',
    members: { msg: { type: 'string', description: 'Read by clients of the replaced systems.' } },
    example: {},
  },
  TwoFactorRequiredProblem: {
    codes: ['two_step_required'],
    description: 'The sign-in needs a two-factor code.',
    members: {
      challenge: { type: 'string', description: 'Send it with a code to `POST /api/sessions/two-factor`.' },
      challenge_expires_at: { type: 'string', format: 'date-time' },
    },
    example: { challenge: '4mJ0sVZk1eT8h2bq6xYp9wQcR3nLuA7iDfGoK5tHvSE', challenge_expires_at: TIME },
  },
  AvatarLockedProblem: {
    codes: ['avatar_locked'],
    description: 'The user cannot upload an avatar for some time.',
    members: { locked_until: { type: 'string', format: 'date-time' } },
    example: { locked_until: TIME },
  },
  NotReadyProblem: {
    codes: ['not_ready'],
    description: 'The server cannot serve requests.',
    members: { checks: { $ref: '#/components/schemas/ChecksDto' } },
    example: {
      checks: {
        process: 'ok',
        database: 'unavailable',
        migrations: 'unknown',
        notifications: 'unavailable',
        storage: 'ok',
        mail: 'ok',
      },
    },
  },
};

const KIND_OF = new Map(Object.entries(KINDS).flatMap(([name, { codes }]) => codes.map((code) => [code, name])));
const GENERAL = 'GeneralProblem';

const refTo = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const anyOf = (names: string[]) => (names.length === 1 ? refTo(names[0]!) : { anyOf: names.map(refTo) });

const newSchema = (codes: ProblemCode[], description: string, members: Kind['members']): Schema => ({
  type: 'object',
  description,
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id', ...Object.keys(members)],
  properties: {
    type: { type: 'string', example: 'about:blank' },
    title: { type: 'string', description: 'The reason phrase of the HTTP status.', example: 'Not Found' },
    status: { type: 'integer', description: 'The HTTP status.', example: 404 },
    code: { type: 'string', description: 'A stable code for clients to switch on.', enum: codes },
    detail: { type: 'string', description: 'What went wrong and what to do next.' },
    request_id: {
      type: 'string',
      format: 'uuid',
      description: 'Also sent in the header X-Request-Id and written to the log.',
    },
    ...members,
  },
});

/** The schemas of all problems: `Problem` is any of them. */
export const PROBLEM_SCHEMAS: Record<string, Schema> = {
  Problem: { description: 'RFC 9457 problem details.', ...anyOf([...Object.keys(KINDS), GENERAL]) },
  ...Object.fromEntries(
    Object.entries(KINDS).map(([name, { codes, description, members }]) => [
      name,
      newSchema(codes, description, members),
    ]),
  ),
  [GENERAL]: newSchema(
    ALL_CODES.filter((code) => !KIND_OF.has(code)),
    'A problem without members of its own.',
    {},
  ),
};

/** The schema of a response that reports one of these codes. */
export const schemaOf = (codes: ProblemCode[]): Schema =>
  anyOf([...new Set(codes.map((code) => KIND_OF.get(code) ?? GENERAL))]);

/** An example of the problem with this code; `errors` name a field of the operation. */
export function newExample(code: ProblemCode, errors: { path: string; message: string }[]): Problem {
  if (isTokenProblem(code)) return tokenProblem(code);
  if (isUnavailable(code)) return unavailable(code);
  const members = code === 'validation_failed' ? { errors } : KINDS[KIND_OF.get(code) ?? GENERAL]?.example;
  return new Problem(code, { members });
}
