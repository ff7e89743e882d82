import { CommandError, EXIT } from '../exit-codes.js';

/** The version of the format. A change that older versions cannot read increases it. */
export const FORMAT = 1;
/** The first entry: what the backup holds, as a BackupHeader. */
export const HEADER_ENTRY = 'backup.json';
/** The last entry, which tells how many entries and rows there are. Without it, the archive is incomplete. */
export const END_ENTRY = 'end.json';
/** Lists of the SHA-256 of the entries before them, in the format of sha256sum. */
export const CHECKSUMS_FOLDER = 'checksums/';
export const ENTRIES_PER_LIST = 1000;
/** `database/<table>.<part>.copy.gz`: parts of the text that COPY writes, each compressed on its own. */
export const DATABASE_FOLDER = 'database/';
/** Secret keys that Machi created in DATA_DIR. */
export const KEYS_FOLDER = 'keys/';
/** Stored files, by their keys. */
export const FILES_FOLDER = 'files/';

/** Media type and cache policy of a stored file, as tar stores extended attributes. */
export const TYPE_ATTRIBUTE = 'SCHILY.xattr.user.mime_type';
export const CACHE_ATTRIBUTE = 'SCHILY.xattr.user.cache_control';

/** What only the end of a backup can tell. */
export interface BackupEnd {
  entries: number;
  bytes: number;
  /** The number of rows by table. */
  rows: Record<string, number>;
  files: number;
}

export const checksumLine = (hash: string, name: string): string => `${hash}  ${name}\n`;

/** The error of a backup that cannot be used. */
export const damaged = (reason: string, cause?: unknown): CommandError =>
  new CommandError('backup_damaged', `The backup cannot be used: ${reason}.`, EXIT.badData, { cause });
