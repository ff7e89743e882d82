import { HttpException } from '@nestjs/common';
import { EntityNotFoundError, QueryFailedError } from 'typeorm';
import { isUnavailable, Problem, unavailable } from './problem.js';
import type { ProblemCode } from './problem-catalogue.js';

/** SQLSTATE codes, or prefixes of them, and their problems. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SQLSTATES: [prefix: string, code: ProblemCode][] = [
  ['MA001', 'last_administrator'], // raised by our trigger, see docs/database.md
  ['23505', 'already_exists'],
  ['23503', 'not_found'],
  ['22', 'invalid_value'],
  ['23', 'invalid_value'],
  ['40', 'busy'], // serialization failure, deadlock
  ['57014', 'busy'], // statement timeout
  ['55P03', 'busy'], // lock timeout
  ['25006', 'database_unavailable'], // the database is read-only
  ['28', 'database_unavailable'], // the server refuses the role or its password
  ['3D000', 'database_unavailable'], // the database is missing
  ['55000', 'database_unavailable'], // the database accepts no connections
  ['53', 'database_unavailable'],
  ['58', 'database_unavailable'], // its disk or file system fails
  ['57P', 'database_unavailable'],
  ['08', 'database_unavailable'],
];

/** The problems that violations of constraints are mapped to. */
const CONSTRAINTS: Record<string, ProblemCode> = {
  users_username_key: 'username_taken',
  users_email_key: 'email_taken',
  groups_name_key: 'group_name_taken',
  external_identities_issuer_subject_key: 'identity_taken',
  group_members_group_id_fkey: 'group_not_found',
  group_members_user_id_fkey: 'user_not_found',
  passkeys_credential_id_key: 'passkey_taken',
  vaccines_code_key: 'vaccine_code_taken',
  vaccination_centres_code_key: 'centre_code_taken',
  vaccination_centre_staff_user_id_fkey: 'user_not_found',
  vaccine_lots_number_key: 'lot_exists',
  vaccine_lots_centre_id_fkey: 'centre_not_found',
  vaccine_lots_vaccine_id_fkey: 'vaccine_not_found',
  vaccine_lots_used_check: 'lot_overdrawn',
  vaccination_registrations_person_key: 'person_registered',
  vaccination_doses_completed_key: 'dose_recorded',
  vaccination_doses_appointment_id_key: 'dose_recorded',
  vaccination_adverse_events_event_key: 'adverse_event_recorded',
  vaccination_sessions_booked_check: 'capacity_below_bookings',
  vaccination_sessions_walk_ins_check: 'capacity_below_bookings',
  projects_slug_key: 'slug_taken',
  chapters_number_key: 'chapter_exists',
  reports_open_key: 'already_reported',
  uploads_user_id_key: 'upload_exists',
  upload_files_name_key: 'upload_file_exists',
  chapters_project_id_fkey: 'project_not_found',
  project_bookmarks_project_id_fkey: 'project_not_found',
  chapter_progress_chapter_id_fkey: 'chapter_not_found',
  chapter_release_groups_group_id_fkey: 'release_group_not_found',
  release_groups_name_key: 'release_group_name_taken',
};

const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
]);
const CONNECTION_MESSAGES =
  /^Connection terminated|^timeout exceeded when trying to connect|^Client has encountered a connection error|Query read timeout/;

/** https://github.com/expressjs/body-parser#errors */
const BODY_ERRORS: Record<string, ProblemCode> = {
  'entity.too.large': 'body_too_large',
  'entity.parse.failed': 'malformed_json',
};

const HTTP_STATUSES: Record<number, ProblemCode> = {
  401: 'invalid_token',
  403: 'forbidden',
  404: 'route_not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  422: 'validation_failed',
  503: 'busy',
};

/** Maps any error to the problem that clients see; the only place that does. */
export function mapToProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof EntityNotFoundError) return new Problem('not_found');
  const code = codeOf(error);
  if (isUnavailable(code)) return unavailable(code, error);
  return new Problem(code, { cause: error });
}

type Failure = Error & Partial<Record<'code' | 'syscall' | 'type' | 'status' | 'constraint' | 'routine', unknown>>;

const isFailure = (error: unknown): error is Failure => error instanceof Error;

function codeOf(error: unknown): ProblemCode {
  if (error instanceof HttpException) return codeOfStatus(error.getStatus());
  const failure: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!isFailure(failure)) return 'internal_error';
  if (typeof failure.type === 'string' && BODY_ERRORS[failure.type]) return BODY_ERRORS[failure.type]!;
  if (failure instanceof URIError) return 'bad_request';
  return databaseCode(failure) ?? codeOfStatus(failure.status);
}

function databaseCode({ code, syscall, message, constraint, routine }: Failure): ProblemCode | undefined {
  if (CONNECTION_MESSAGES.test(message)) return 'database_unavailable';
  if (typeof code !== 'string') return undefined;
  if (CONNECTION_ERRORS.has(code)) return 'database_unavailable';
  if (syscall === 'connect') return 'database_unavailable'; // also without a socket (ENOENT), or a free descriptor (EMFILE)
  // The notification queue is full. Other errors with this code are defects; the message depends on the server's language.
  if (code === '54000' && routine === 'PreCommit_Notify') return 'database_unavailable';
  if (typeof constraint === 'string' && CONSTRAINTS[constraint]) return CONSTRAINTS[constraint];
  return code.length === 5 ? SQLSTATES.find(([prefix]) => code.startsWith(prefix))?.[1] : undefined;
}

function codeOfStatus(status: unknown): ProblemCode {
  if (typeof status !== 'number') return 'internal_error';
  return HTTP_STATUSES[status] ?? (status >= 400 && status < 500 ? 'bad_request' : 'internal_error');
}
