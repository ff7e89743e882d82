import type { OpenAPIObject } from '@nestjs/swagger';
import { INELIGIBILITY_REASONS, type ProblemCode, PROBLEMS } from '../problems/problem-catalogue.js';
import {
  type FieldError,
  isTokenProblem,
  isUnavailable,
  Problem,
  tokenProblem,
  unavailable,
} from '../problems/problem.js';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

/** A problem with members of its own: the schema, its codes, and its members with their examples. */
interface Kind {
  codes: ProblemCode[];
  description: string;
  members: Record<string, Schema>;
  /** Members that only some routes send. */
  optional?: Record<string, Schema>;
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
    optional: { msg: { type: 'string', description: 'Sent by `/api/users/login` only.' } },
    example: { challenge: '4mJ0sVZk1eT8h2bq6xYp9wQcR3nLuA7iDfGoK5tHvSE', challenge_expires_at: TIME },
  },
  AvatarLockedProblem: {
    codes: ['avatar_locked'],
    description: 'The user cannot upload an avatar for some time.',
    members: { locked_until: { type: 'string', format: 'date-time' } },
    example: { locked_until: TIME },
  },
  ImportRefusedProblem: {
    codes: ['import_refused'],
    description: 'A table has rows that cannot be imported.',
    members: {
      rows: { type: 'integer', description: 'How many rows the table has, without its header.' },
      errors: { type: 'array', items: { $ref: '#/components/schemas/ImportErrorDto' } },
    },
    example: {
      rows: 120,
      errors: [
        { row: 14, column: 'vaccine', code: 'vaccine_not_found', detail: 'There is no vaccine with this code.' },
      ],
    },
  },
  IneligibleProblem: {
    codes: [...INELIGIBILITY_REASONS],
    description: 'The person cannot get the dose.',
    members: {
      reasons: { type: 'array', description: 'The codes of all reasons.', items: { type: 'string' } },
      next_dose: { type: 'integer', nullable: true, description: 'The next dose of the person.' },
      earliest_day: { type: 'string', nullable: true, description: 'The first day on which the person can get it.' },
    },
    example: { reasons: [], next_dose: 2, earliest_day: '2027-02-01' },
  },
  SessionFullProblem: {
    codes: ['session_full'],
    description: 'All places of the session are booked.',
    members: {
      alternatives: {
        type: 'array',
        description: 'Up to five sessions in which the person can book a place, the nearest first.',
        items: {
          type: 'object',
          required: ['id', 'starts_at', 'available', 'centre'],
          properties: {
            id: { type: 'string', format: 'uuid' },
            starts_at: { type: 'string', format: 'date-time' },
            available: { type: 'integer', description: 'Places that are not booked.' },
            centre: { type: 'string', description: 'The name of the centre.' },
          },
        },
      },
    },
    example: {
      alternatives: [
        {
          id: '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e',
          starts_at: TIME,
          available: 37,
          centre: 'Dhanmondi Community Centre',
        },
      ],
    },
  },
  SessionNotOpenYetProblem: {
    codes: ['session_not_open_yet'],
    description: 'The places of the session cannot be booked yet.',
    members: { opens_at: { type: 'string', format: 'date-time' } },
    example: { opens_at: TIME },
  },
  TooLateToChangeProblem: {
    codes: ['too_late_to_change'],
    description: 'The appointment cannot be moved or cancelled any more.',
    members: { changeable_until: { type: 'string', format: 'date-time' } },
    example: { changeable_until: TIME },
  },
  WrongCheckInCodeProblem: {
    codes: ['wrong_check_in_code'],
    description: 'The code is not the one of the appointment.',
    members: { remaining_tries: { type: 'integer' } },
    example: { remaining_tries: 4 },
  },
  ArchiveEntryProblem: {
    codes: ALL_CODES.filter((code) => code.startsWith('archive_entry_')),
    description: 'An entry of an archive is refused, and with it the archive.',
    members: { entry: { type: 'string', description: 'The name of the entry.' } },
    example: { entry: '../007.png' },
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
        bus: 'off',
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

const newSchema = ({ codes, description, members, optional = {} }: Omit<Kind, 'example'>): Schema => ({
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
    ...optional,
  },
});

/** The schemas of all problems: `Problem` is any of them. */
export const PROBLEM_SCHEMAS: Record<string, Schema> = {
  Problem: { description: 'RFC 9457 problem details.', ...anyOf([...Object.keys(KINDS), GENERAL]) },
  ...Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, newSchema(kind)])),
  [GENERAL]: newSchema({
    codes: ALL_CODES.filter((code) => !KIND_OF.has(code)),
    description: 'A problem without members of its own.',
    members: {},
  }),
};

/** The schema of a response that reports one of these codes. */
export const schemaOf = (codes: ProblemCode[]): Schema =>
  anyOf([...new Set(codes.map((code) => KIND_OF.get(code) ?? GENERAL))]);

const EXAMPLE_REQUEST_ID = '7d4d6a3e-0f0e-4a53-9f39-6f4c7c3f1b11';

/** An example of the body of a problem with this code; `field` is a field of the operation. */
export const toExample = (code: ProblemCode, field: FieldError): Record<string, unknown> =>
  newExample(code, [field]).toBody(EXAMPLE_REQUEST_ID);

function newExample(code: ProblemCode, errors: FieldError[]): Problem {
  if (isTokenProblem(code)) return tokenProblem(code);
  if (isUnavailable(code)) return unavailable(code);
  const example = code === 'validation_failed' ? { errors } : KINDS[KIND_OF.get(code) ?? GENERAL]?.example;
  const members = example && 'reasons' in example ? { ...example, reasons: [code] } : example;
  return new Problem(code, { members });
}

/** The members of a problem besides the standard ones, each with its description. */
export function membersOf(code: ProblemCode): Record<string, string> {
  const { members, optional } = KINDS[KIND_OF.get(code) ?? GENERAL] ?? {};
  const descriptions = Object.entries({ ...members, ...optional }).map(([name, schema]) => {
    const { description = '' } = schema as { description?: string };
    return [name, description.replace(/\.$/, '')];
  });
  return Object.fromEntries(descriptions) as Record<string, string>;
}
