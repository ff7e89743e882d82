import { HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { type ProblemCode, PROBLEMS } from './problem-catalogue.js';

/** A message about one field; `path` names nested fields with dots. */
export interface FieldError {
  path: string;
  message: string;
}

interface ProblemExtras {
  detail?: string;
  /** Members of the response body besides the standard ones. */
  members?: Record<string, unknown>;
  /** Response headers; names in lower case. */
  headers?: Record<string, string>;
  cause?: unknown;
}

/** An error with a code of the catalogue. Services throw it; HTTP responses and WebSocket frames report it. */
export class Problem extends HttpException {
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    readonly code: ProblemCode,
    { detail, members = {}, headers = {}, cause }: ProblemExtras = {},
  ) {
    const [status, defaultDetail] = PROBLEMS[code];
    super(detail ?? defaultDetail, status, { cause });
    this.members = members;
    this.headers = headers;
  }

  /** The reason phrase of the HTTP status. */
  get title(): string {
    return STATUS_CODES[this.getStatus()] ?? 'Error';
  }

  /** The body of the response (RFC 9457). */
  toBody(requestId?: string): Record<string, unknown> {
    return {
      type: 'about:blank',
      title: this.title,
      status: this.getStatus(),
      code: this.code,
      detail: this.message,
      ...this.members,
      ...(requestId === undefined ? {} : { request_id: requestId }),
    };
  }
}

/** The problem of a request with invalid fields. */
export const validationFailed = (errors: FieldError[]): Problem =>
  new Problem('validation_failed', { members: { errors } });

/** The augmented-reality service documents one `msg` for all tokens that are refused; `code` distinguishes them. */
const TOKEN_MESSAGES = {
  token_required: 'Missing Authorization Header',
  invalid_token: 'Token has expired',
  token_expired: 'Token has expired',
  token_reused: 'Token has expired',
} as const;

type TokenProblemCode = keyof typeof TOKEN_MESSAGES;

/** Whether a problem is about the caller's token; see tokenProblem. */
export const isTokenProblem = (code: ProblemCode): code is TokenProblemCode => code in TOKEN_MESSAGES;

/** A 401 about the caller's token, with a challenge (RFC 6750, section 3) and the member `msg` that old clients read. */
export function tokenProblem(code: TokenProblemCode, cause?: unknown): Problem {
  const challenge = code === 'token_required' ? 'Bearer' : 'Bearer error="invalid_token"';
  return new Problem(code, {
    members: { msg: TOKEN_MESSAGES[code] },
    headers: { 'www-authenticate': challenge },
    cause,
  });
}

const UNAVAILABLE = [
  'busy',
  'database_unavailable',
  'identity_provider_unavailable',
  'storage_unavailable',
  'too_many_uploads',
] as const;
type Unavailable = (typeof UNAVAILABLE)[number];

/** Whether a problem reports overload or a dependency that is not available. */
export const isUnavailable = (code: ProblemCode): code is Unavailable =>
  (UNAVAILABLE as readonly string[]).includes(code);

/** A problem that goes away by itself: the client may repeat the request after `seconds`. */
export const unavailable = (code: Unavailable, cause?: unknown, seconds = 2): Problem =>
  new Problem(code, { headers: { 'retry-after': String(seconds) }, cause });
