/** The username shown for deleted users. No username contains brackets. */
export const DELETED_USER = '[deleted]';

/** The content of deleted messages. */
export const DELETED_MESSAGE = '[deleted]';

/** The content of messages with attachments and without text. Clients that are told of the attachments get an empty text. */
export const ATTACHMENTS_ONLY = '[attachment]';

/** The content shown for messages of users whom the reader has blocked. */
export const BLOCKED_CONTENT = '[blocked]';
