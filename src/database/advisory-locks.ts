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
  /** First of two keys; the second names the channels of a bus. Held in shared mode by each process that uses them. */
  busChannels: 0x6d616275,
  /** One key, per transaction. Serializes creating and dropping partitions of the audit log. */
  auditPartitions: 0x6d616375,
  /** First of two keys, per transaction; the second is taken from the hash of an address. Serializes counting its mails. */
  mailCount: 0x6d61696c,
  /**
   * One key, per transaction. Exclusive while a block is added, shared while a conversation or a contact is made: one of the
   * two sees the other.
   */
  blocks: 0x6d61626c,
  /**
   * First of two keys, per transaction; the second is the hash of a session's id. Held while people are promoted from its
   * waitlist, so that they get their places in order.
   */
  waitlist: 0x6d617774,
  /** One key, per transaction. Serializes imports of vaccination tables: two equal files create their rows once. */
  imports: 0x6d61696d,
  /**
   * One key. Shared per transaction while stored files are deleted, exclusive while a backup runs: the rows of a backup have
   * their files until it has copied them.
   */
  fileDeletions: 0x6d616664,
} as const;

/**
 * SQL: locks until the transaction ends; $1 is one of the keys. Of an exclusive and a shared lock, one waits for the other.
 */
export const LOCK_EXCLUSIVE = 'select pg_advisory_xact_lock($1)';
export const LOCK_SHARED = 'select pg_advisory_xact_lock_shared($1)';

/**
 * SQL: takes the lock for one external identity until the transaction ends, so that one identity never gets two users. $1:
 * issuer and subject. Its 64-bit key is a hash; equal to another lock only by chance, and then only waiting longer.
 */
export const LOCK_EXTERNAL_IDENTITY = 'select pg_advisory_xact_lock(hashtextextended($1, 0))';

/**
 * SQL: takes the lock for one person, whose hash is $1, until the transaction ends: while index keys of national ids are
 * rotated, the unique index does not find a person under both keys. The 64-bit key is a hash, as above.
 */
export const LOCK_PERSON = 'select pg_advisory_xact_lock(hashtextextended($1, 1))';
