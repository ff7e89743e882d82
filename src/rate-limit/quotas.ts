const MINUTE_MS = 60_000;
const TEN_MINUTES_MS = 600_000;
const HOUR_MS = 3_600_000;

/** A number of requests that one subject may make within a window of time. */
export interface Quota {
  /** Sent to clients in the `RateLimit` headers. */
  name: string;
  limit: number;
  windowMs: number;
}

/** Registrations per network. Generous enough for a class that registers together, too small for a farm of accounts. */
export const REGISTRATION_QUOTA: Quota = { name: 'registrations', limit: 100, windowMs: TEN_MINUTES_MS };

/** Sign-ins without a password (passkeys, two-factor codes, external identities) per network. Mobile networks are large. */
export const SIGN_IN_QUOTA: Quota = { name: 'sign-ins', limit: 300, windowMs: TEN_MINUTES_MS };

/** Correct passwords per user: each check occupies a processor for a quarter of a second. */
export const PASSWORD_CHECK_QUOTA: Quota = { name: 'password-checks', limit: 30, windowMs: TEN_MINUTES_MS };

/** Correct passwords per network: enough for a school whose pupils sign in at once. */
export const NETWORK_PASSWORD_CHECK_QUOTA: Quota = {
  name: 'network-password-checks',
  limit: 600,
  windowMs: TEN_MINUTES_MS,
};

/** Identity tokens per session for a refresh token that is not rotated. */
export const RENEWAL_QUOTA: Quota = { name: 'renewals', limit: 120, windowMs: HOUR_MS };

/** Requests for a password reset code per network. */
export const PASSWORD_RESET_QUOTA: Quota = { name: 'password-resets', limit: 30, windowMs: HOUR_MS };

/** Password reset codes that are tried per network. */
export const RESET_CODE_QUOTA: Quota = { name: 'reset-codes', limit: 60, windowMs: HOUR_MS };

/** New passwords that are set with a reset token, per network. Each one may be hashed. */
export const NEW_PASSWORD_QUOTA: Quota = { name: 'new-passwords', limit: 60, windowMs: HOUR_MS };

/** Requested changes of e-mail addresses, each of which sends a mail to any address: per user, and per network. */
export const USER_EMAIL_CHANGE_QUOTA: Quota = { name: 'email-changes', limit: 5, windowMs: HOUR_MS };
export const NETWORK_EMAIL_CHANGE_QUOTA: Quota = { name: 'network-email-changes', limit: 20, windowMs: HOUR_MS };

/** Copies of their own data that a user requests. */
export const DATA_EXPORT_QUOTA: Quota = { name: 'data-exports', limit: 5, windowMs: 24 * HOUR_MS };

/** Uploaded images per user. Each one costs about a second of a processor. */
export const UPLOAD_QUOTA: Quota = { name: 'uploads', limit: 60, windowMs: HOUR_MS };

/** Batches of files and archives of chapters per user. */
export const CHAPTER_FILES_QUOTA: Quota = { name: 'chapter-files', limit: 1200, windowMs: HOUR_MS };

/** Attachments of messages that a user uploads. Each one costs about a second of a processor. */
export const ATTACHMENTS_QUOTA: Quota = { name: 'attachments', limit: 200, windowMs: HOUR_MS };

/** Conversations that a user creates: each one appears in the lists of all its members. */
export const CONVERSATIONS_QUOTA: Quota = { name: 'conversations', limit: 60, windowMs: HOUR_MS };

/** Requests that add members to a conversation, which then appears in their lists. */
export const MEMBERS_QUOTA: Quota = { name: 'members', limit: 100, windowMs: HOUR_MS };

/** Conversations that a user exports: each one is read completely. */
export const EXPORTS_QUOTA: Quota = { name: 'conversation-exports', limit: 30, windowMs: HOUR_MS };

/** Contacts that a user adds or requests: each one appears in a list of the other user. */
export const CONTACTS_QUOTA: Quota = { name: 'contacts', limit: 100, windowMs: HOUR_MS };

/** Blocks that a user adds and removes. Each one locks the conversations that the two users share. */
export const BLOCKS_QUOTA: Quota = { name: 'blocks', limit: 500, windowMs: HOUR_MS };

/** Progress in chapters per user: one request per page that is turned. Not audited. */
export const PROGRESS_QUOTA: Quota = { name: 'progress', limit: 6000, windowMs: HOUR_MS };
/** Id numbers that a user registers or changes: each answer tells whether a person with the number is registered. */
export const ID_NUMBERS_QUOTA: Quota = { name: 'id-numbers', limit: 20, windowMs: HOUR_MS };

/** Phone numbers that a user enters for registered people: bookings send SMS to these numbers, which may belong to strangers. */
export const PHONE_NUMBERS_QUOTA: Quota = { name: 'phone-numbers', limit: 10, windowMs: HOUR_MS };

/** Changes per user on routes for all signed-in users: each writes an audit event, which is kept for a year. */
export const CHANGE_QUOTA: Quota = { name: 'changes', limit: 600, windowMs: HOUR_MS };

/** Certificates that a network has verified: one per second, at an entrance where many people show theirs. */
export const VERIFICATION_QUOTA: Quota = { name: 'certificate-verifications', limit: 600, windowMs: TEN_MINUTES_MS };

/** QR codes and documents of certificates per user. Each one occupies a processor for some 50 ms. */
export const CERTIFICATE_FILE_QUOTA: Quota = { name: 'certificate-files', limit: 120, windowMs: HOUR_MS };

/** Day sheets that a member of the staff reads: each writes an audit event per person. */
export const DAY_SHEET_QUOTA: Quota = { name: 'day-sheets', limit: 60, windowMs: HOUR_MS };

/** Bookings that a user tries, counted in the memory of each process: a refusal at an opening must write nothing. */
export const BOOKING_QUOTA: Quota = { name: 'bookings', limit: 60, windowMs: MINUTE_MS };

/** All requests per network, whatever the route. Counted in the memory of each process, not in the database. */
export const requestsQuota = (limit: number): Quota => ({ name: 'requests', limit, windowMs: MINUTE_MS });

/** The key under which the requests of a subject are counted. */
export const quotaKey = ({ name }: Quota, subject: string): string => `${name} ${subject}`;
