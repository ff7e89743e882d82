/** What a client does when its connection is closed. */
export interface ClosePlan {
  /** `refresh`: get a new identity token, then connect. `sign_in`: ask the user, then connect. `stop`: do not connect by itself. */
  readonly action: 'reconnect' | 'refresh' | 'sign_in' | 'stop';
  /** Seconds: a random pause from `min` to `max`; with `longest`, it doubles after each failure up to that. */
  readonly pause?: { readonly min: number; readonly max: number; readonly longest?: number };
  readonly advice: string;
}

export interface CloseCode extends ClosePlan {
  readonly code: number;
  readonly reason: string;
}

const AT_ONCE = { min: 0, max: 0 };
const RESTART_PAUSE = { min: 0, max: 5 };

/** How the server closes a connection, and what the client should do next. `docs/chat.md` has the same table. */
export const CLOSE_CODES = {
  restarting: {
    code: 1012,
    reason: 'restarting',
    action: 'reconnect',
    pause: RESTART_PAUSE,
    advice: 'Connect again after a random pause of up to 5 seconds.',
  },
  abuse: {
    code: 4400,
    reason: 'too many frames that make no sense',
    action: 'stop',
    advice: 'Do not connect again: the client is broken.',
  },
  token_required: { code: 4401, reason: 'login-token required', action: 'sign_in', advice: 'Sign in, then connect.' },
  token_invalid: {
    code: 4401,
    reason: 'invalid login-token',
    action: 'sign_in',
    advice: 'Sign in again, then connect.',
  },
  token_expired: {
    code: 4401,
    reason: 'login-token expired',
    action: 'refresh',
    advice: 'Refresh the token or sign in again, then connect.',
  },
  signed_out: { code: 4401, reason: 'signed out', action: 'sign_in', advice: 'Sign in again, then connect.' },
  no_pong: {
    code: 4408,
    reason: 'no answer to a ping',
    action: 'reconnect',
    pause: AT_ONCE,
    advice: 'Connect again at once.',
  },
  too_many: {
    code: 4409,
    reason: 'too many connections',
    action: 'stop',
    advice: 'Close another connection, then connect.',
  },
  slow: {
    code: 4290,
    reason: 'slow consumer',
    action: 'reconnect',
    pause: { min: 5, max: 5 },
    advice: 'Connect again after 5 seconds, and read faster.',
  },
  rate: {
    code: 4429,
    reason: 'rate limited',
    action: 'reconnect',
    pause: { min: 30, max: 30 },
    advice: 'Connect again after 30 seconds, and send less.',
  },
  unavailable: {
    code: 1013,
    reason: 'try again later',
    action: 'reconnect',
    pause: { min: 1, max: 10, longest: 60 },
    advice: 'Connect again after a random pause of 1 to 10 seconds, longer each time.',
  },
} as const satisfies Record<string, CloseCode>;

export type CloseReason = keyof typeof CLOSE_CODES;

const STOP_BROKEN_CLIENT = { action: 'stop', advice: 'Do not connect again: the client is broken.' } as const;

/** Close codes of the WebSocket protocol (RFC 6455, section 7.4.1), whose reason may be any text. */
export const PROTOCOL_CLOSE_CODES: readonly (ClosePlan & { code: number; meaning: string })[] = [
  {
    code: 1001,
    meaning: 'a proxy or a node goes away',
    action: 'reconnect',
    pause: RESTART_PAUSE,
    advice: 'Connect again after a random pause of up to 5 seconds.',
  },
  { code: 1002, meaning: 'a violation of the WebSocket protocol', ...STOP_BROKEN_CLIENT },
  {
    code: 1006,
    meaning: 'the connection broke, or the upgrade was refused; no server sends this code',
    action: 'reconnect',
    pause: { min: 0, max: 1, longest: 60 },
    advice:
      'Connect again after a random pause of up to 1 second; double the pause after each failure, up to 60 seconds.',
  },
  { code: 1007, meaning: 'text that is not UTF-8', ...STOP_BROKEN_CLIENT },
  { code: 1008, meaning: 'more than 1,024 fragments', ...STOP_BROKEN_CLIENT },
  {
    code: 1009,
    meaning: 'a frame of more than 1 MiB',
    action: 'reconnect',
    pause: AT_ONCE,
    advice: 'Connect again, and do not send this frame again.',
  },
];
