/**
 * The numbers of all advisory locks. PostgreSQL keeps locks with one 64-bit key and locks with two 32-bit keys apart, and
 * the locks of each database. A number never changes: during an update, the old and the new version run together.
 */
export const ADVISORY_LOCKS = {
  /** One key, in the database `postgres` of the embedded server. Held in shared mode by each process that uses the server. */
  embeddedServer: 0x6d616368,
  /** One key. Held while migrations run, so that one process migrates and the others wait. */
  migrations: 0x6d616367,
  /**
   * One key, per transaction. Serializes the creation of the first administrator, and the check that an active administrator
   * remains: the trigger function `keep_an_administrator` (migrations/1795257000000-init.ts) takes the same lock.
   */
  administrators: 0x6d616361,
  /** First of two keys; the second is the id of a chat node. Held by the process of that node as long as it runs. */
  chatNodes: 0x6d616368,
  /** First of two keys, per transaction; the second is taken from the hash of an address. Serializes counting its mails. */
  mailCount: 0x6d61696c,
} as const;

/**
 * SQL: takes the lock for one external identity until the transaction ends, so that one identity never gets two users. $1:
 * issuer and subject. Its 64-bit key is a hash; equal to another lock only by chance, and then only waiting longer.
 */
export const LOCK_EXTERNAL_IDENTITY = 'select pg_advisory_xact_lock(hashtextextended($1, 0))';
