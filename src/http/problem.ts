import { STATUS_CODES } from 'node:http';

/**
 * Every way a request can fail: stable code → status and default sentence.
 * Clients switch on the code; the sentence says what to do next.
 */
export const PROBLEMS = {
  bad_request: [400, 'The request cannot be understood.'],
  malformed_json: [400, 'The body is not valid JSON.'],
  malformed_form: [400, 'The body is not a valid form.'],
  body_too_complex: [400, 'The JSON body is nested too deeply or has too many keys; at most 32 levels and 1,000 keys.'],
  invalid_text: [400, 'Text must be valid Unicode without NUL characters.'],
  invalid_id: [400, 'The id in the path is not a UUID.'],
  invalid_cursor: [400, 'The cursor is not one this list gave out; start again without it.'],
  no_file: [400, 'The form holds no file; send one picture as a part with a file name.'],
  malformed_multipart: [400, 'The body is not valid multipart/form-data.'],
  invalid_frame: [400, 'The frame cannot be understood.'],
  websocket_required: [400, 'This is for WebSocket: connect with the upgrade of RFC 6455.'],
  invalid_value: [400, 'A value does not fit its field.'],
  already_registered: [400, 'This e-mail address is in use; sign in, or choose another.'],
  login_refused: [400, 'The e-mail address or the password is wrong.'],
  token_required: [401, 'Sign in first and send the identity token as "Authorization: Bearer <token>".'],
  invalid_token: [401, 'The token is not valid, or its session has ended; sign in again.'],
  token_expired: [401, 'The token has expired; refresh it or sign in again.'],
  token_reused: [401, 'This refresh token has been used before; for safety its session has been ended. Sign in again.'],
  invalid_credentials: [401, 'The login or the password is wrong.'],
  two_step_required: [401, 'The password is right. Send the "challenge" with a code to POST /api/sessions/two-step.'],
  invalid_challenge: [401, 'This sign-in is over, or took too long; start again.'],
  invalid_passkey: [401, 'This passkey is not accepted; ask for new options and try again, or sign in another way.'],
  forbidden: [403, 'You do not have the permission that this needs.'],
  wrong_password: [403, 'The current password is wrong.'],
  foreign_origin: [403, 'Sign in from a page of this site, or of one of its allowed origins.'],
  wrong_code: [403, 'The code is wrong, too old, or has been used; wait for the next one.'],
  sign_in_again: [403, 'This needs a sign-in of the last ten minutes; sign in again.'],
  avatar_locked: [403, 'A moderator has locked your avatar; see "locked_until".'],
  not_found: [404, 'There is no such thing, or it is not yours to see.'],
  route_not_found: [404, 'There is no such route.'],
  user_not_found: [404, 'There is no such user.'],
  session_not_found: [404, 'There is no such session, or it is not yours.'],
  group_not_found: [404, 'There is no such group.'],
  member_not_found: [404, 'This user is not a member of the group.'],
  invalid_code: [404, 'This code is wrong, expired, used or replaced by a newer one; ask for another.'],
  invalid_reset_token: [404, 'This reset token is wrong, expired or used; ask for another code.'],
  invalid_link: [404, 'This link is wrong, expired, used or replaced by a newer one; ask for another.'],
  two_step_not_found: [404, 'Two-step sign-in is not on, or has not been begun.'],
  passkey_not_found: [404, 'There is no such passkey, or it is not yours.'],
  avatar_not_found: [404, 'There is no such avatar, or it is not yours to see.'],
  conversation_not_found: [404, 'There is no such conversation, or you are not in it.'],
  reply_not_found: [404, 'There is no such message to reply to in this conversation.'],
  request_timeout: [408, 'The request took too long to arrive.'],
  identity_not_found: [404, 'There is no such identity, or it is not yours.'],
  already_exists: [409, 'Something with this name already exists.'],
  username_taken: [409, 'This username is taken; choose another.'],
  email_taken: [409, 'This e-mail address is in use; choose another.'],
  group_name_taken: [409, 'A group with this name exists; choose another.'],
  already_a_contact: [409, 'This user is a contact already.'],
  nonce_reused: [409, 'This nonce was used for another message; make up a new one for each.'],
  last_administrator: [409, 'This would leave Machi without an active administrator; make another one first.'],
  identity_taken: [409, 'This account elsewhere is linked to another user; sign in with it, or unlink it there first.'],
  last_way_to_sign_in: [409, 'This is your only way to sign in; add another one first.'],
  no_email: [409, 'This user has no e-mail address to which anything could be sent.'],
  user_deactivated: [409, 'This user is deactivated; reactivate them first.'],
  two_step_on: [409, 'Two-step sign-in is on already; turn it off to begin anew.'],
  passkey_taken: [409, 'This passkey is registered already.'],
  too_many_passkeys: [409, 'An account can have at most 20 passkeys; remove one first.'],
  avatar_not_pending: [409, 'This upload has been decided or replaced meanwhile; look at the queue again.'],
  body_too_large: [413, 'The body is larger than 100 KB.'],
  file_too_large: [413, 'The file is larger than 5 MiB.'],
  unsupported_media_type: [415, 'Send the body as application/json.'],
  form_expected: [415, 'Send the body as multipart/form-data.'],
  unsupported_picture: [415, 'The file is no picture that is taken here: send a JPEG, PNG, WebP, GIF or AVIF.'],
  range_not_satisfiable: [416, 'The range lies outside of the file.'],
  contact_is_self: [422, 'Nobody can be their own contact.'],
  validation_failed: [422, 'Some fields are not acceptable; see "errors".'],
  unknown_identity_provider: [422, 'Machi takes no tokens of this identity provider.'],
  identity_token_refused: [422, 'The token of the identity provider is not valid or has expired; get a new one there.'],
  password_refused: [422, 'This password is not acceptable; see "errors".'],
  too_many_mails: [429, 'This address has had enough of these mails within the hour; try again later.'],
  passkey_refused: [422, 'This is no acceptable answer to the options; ask for new ones and try again.'],
  too_many_codes: [429, 'Too many wrong codes; wait for as long as Retry-After says, or use a recovery code.'],
  picture_damaged: [422, 'The picture cannot be read to its end; send an undamaged one.'],
  picture_too_large: [422, 'The picture has more than 25 million pixels; send a smaller one.'],
  picture_too_slow: [422, 'The picture takes too long to read; send a simpler one.'],
  too_many_uploads: [429, 'Too many uploads at this moment; try again shortly.'],
  headers_too_large: [431, 'The request headers are too large.'],
  rate_limited: [429, 'Too many attempts; try again after the seconds that Retry-After says.'],
  internal_error: [500, 'Something went wrong on our side; the request id helps us find it.'],
  busy: [503, 'Machi is busy; try again in a moment.'],
  database_unavailable: [503, 'The database does not answer; try again in a moment.'],
  identity_provider_unavailable: [503, 'The identity provider does not answer as it should; try again in a moment.'],
  storage_unavailable: [503, 'The store of pictures does not answer; try again in a moment.'],
  not_ready: [503, 'Machi is not ready to serve; see "checks".'],
} as const satisfies Record<string, readonly [status: number, detail: string]>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldError {
  path: string;
  message: string;
}

interface ProblemExtras {
  detail?: string;
  /** Members added to the answer beside the standard ones. */
  members?: Record<string, unknown>;
  /** Response headers; names in lower case. */
  headers?: Record<string, string>;
  cause?: unknown;
}

/** A failure with a code from the catalogue; what services throw, on HTTP and on sockets alike. */
export class Problem extends Error {
  readonly status: number;
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    readonly code: ProblemCode,
    { detail, members = {}, headers = {}, cause }: ProblemExtras = {},
  ) {
    super(detail ?? PROBLEMS[code][1], { cause });
    this.name = 'Problem';
    this.status = PROBLEMS[code][0];
    this.members = members;
    this.headers = headers;
  }

  /** The phrase of the HTTP status. */
  get title(): string {
    return STATUS_CODES[this.status] ?? 'Error';
  }

  /** The answer's body (RFC 9457). A problem with the caller's token carries `msg` too, as the old clients expect. */
  toBody(requestId?: string): Record<string, unknown> {
    return {
      type: 'about:blank',
      title: this.title,
      status: this.status,
      code: this.code,
      detail: this.message,
      ...this.members,
      ...(requestId === undefined ? {} : { request_id: requestId }),
    };
  }
}

export const validationFailed = (errors: FieldError[]): Problem =>
  new Problem('validation_failed', { members: { errors } });

const TOKEN_MESSAGES = {
  token_required: 'Missing Authorization Header',
  invalid_token: 'Invalid token',
  token_expired: 'Token has expired',
  token_reused: 'Token has been revoked',
} as const;

/** A 401 about the caller's token: challenge per RFC 6750 section 3, `msg` per the old clients' documents. */
export function tokenProblem(code: keyof typeof TOKEN_MESSAGES, cause?: unknown): Problem {
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

export const isUnavailable = (code: ProblemCode): code is Unavailable =>
  (UNAVAILABLE as readonly string[]).includes(code);

/** Overload or a lost dependency: the client may repeat the request after `seconds`. */
export const unavailable = (code: Unavailable, cause?: unknown, seconds = 2): Problem =>
  new Problem(code, { headers: { 'retry-after': String(seconds) }, cause });
