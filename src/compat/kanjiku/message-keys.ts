/** The manga site's keys of successes, with our sentences. */
export const MESSAGES = {
  'messages.user_created': 'The user has been created.',
  'messages.login_success': 'You are signed in.',
  'messages.session_refreshed': 'The session has been refreshed.',
  'messages.logout_success': 'You are signed out.',
} as const;

/** The manga site's keys of errors, spelled as its clients know them, with our sentences. */
export const ERRORS = {
  'errors.missing_parameters': 'Send a username, a password and an email.',
  'errors.birthday_invalid': 'The birthday must be a past date as YYYY-MM-DD.',
  'errors.username_invalid': 'The username must be 3 to 30 letters, digits, ".", "_" or "-".',
  'errors.username_taken': 'This username is taken; choose another one.',
  'errors.email_invalid': 'The email is not a valid address.',
  'errors.email_taken': 'This e-mail address is in use; choose another one.',
  'errors.validation_error': 'A value is not valid.',
  'errors.login_not_provided': 'Send a username or an e-mail address.',
  'errors.password_not_providied': 'Send a password.',
  'errors.login_wrong_password': 'The username or the password is wrong.',
  'errors.two_factor_required': 'Two-factor authentication is on: sign in with a client that supports it.',
  'errors.no_refresh_token_provided': 'The cookie RefreshToken is missing; sign in.',
  'errors.jwt_error': 'A token is not valid or has expired; refresh the session or sign in.',
  'errors.no_session': 'There is no session; sign in.',
  'errors.session_expired': 'The session has expired; refresh it or sign in.',
  'errors.parameter_error': 'A parameter is not valid.',
  'errors.user_does_not_exist': 'This user does not exist.',
} as const;

export type SuccessKey = keyof typeof MESSAGES;
export type ErrorKey = keyof typeof ERRORS;

/** An error of the manga site: 400, or 404 for a user who does not exist. */
export class KanjikuError extends Error {
  constructor(
    readonly key: ErrorKey,
    sentence: string = ERRORS[key],
  ) {
    super(sentence);
  }

  get status(): number {
    return this.key === 'errors.user_does_not_exist' ? 404 : 400;
  }
}
