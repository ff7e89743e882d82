/** The NFC form: keyboards compose the same characters in different ways. Nothing is trimmed. */
export const normalisePassword = (password: string): string => password.normalize('NFC');

/** bcrypt ignores all bytes after these. */
export const MAX_PASSWORD_BYTES = 72;
