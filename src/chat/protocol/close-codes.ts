/** How the server closes a connection: code, reason, and what the client should do next. `docs/chat.md` has the same table. */
export const CLOSE_CODES = {
  restarting: [1012, 'restarting', 'Connect again after a random pause of up to 5 seconds.'],
  abuse: [4400, 'too many frames that make no sense', 'Do not connect again: the client is broken.'],
  token_required: [4401, 'login-token required', 'Sign in, then connect.'],
  token_invalid: [4401, 'invalid login-token', 'Sign in again, then connect.'],
  token_expired: [4401, 'login-token expired', 'Refresh the token or sign in again, then connect.'],
  signed_out: [4401, 'signed out', 'Sign in again, then connect.'],
  no_pong: [4408, 'no answer to a ping', 'Connect again at once.'],
  too_many: [4409, 'too many connections', 'Close another connection, then connect.'],
  slow: [4290, 'slow consumer', 'Connect again after 5 seconds, and read faster.'],
  rate: [4429, 'rate limited', 'Connect again after 30 seconds, and send less.'],
  unavailable: [1013, 'try again later', 'Connect again after a random pause of 1 to 10 seconds, longer each time.'],
} as const satisfies Record<string, readonly [code: number, reason: string, advice: string]>;

export type CloseReason = keyof typeof CLOSE_CODES;
