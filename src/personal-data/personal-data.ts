import type { Readable } from 'node:stream';
import type { EntityManager } from 'typeorm';

/** The user whose data is exported or erased. */
export interface DataSubject {
  id: string;
  /**
   * The e-mail address of the account if it is verified: the outbox finds messages by it. What a user has only entered, as an
   * address or a phone number, may belong to another person.
   */
  addresses: string[];
}

/**
 * What becomes of a row when the account of the user whom a column names is deleted:
 * - `deleted`: the row is deleted.
 * - `unlinked`: the row stays, and nothing leads from it to the user any more.
 * - `kept`: the row stays with the id, which then belongs to nobody; docs/security.md says how long.
 */
export type Fate = 'deleted' | 'unlinked' | 'kept';

/** A table with data about users. */
export interface PersonalTable {
  /** The columns that lead to a user, also through another row, and what becomes of the row. */
  columns: Record<string, Fate>;
  /** The file of the export that contains the rows; null: none, for the reason in docs/security.md. */
  file: string | null;
}

/** A file of an export. It is written before the next one is asked for, so a source opens one at a time. */
export type ExportPart =
  /** One JSON document. */
  | { name: string; json: unknown }
  /** An array of JSON objects, in batches. */
  | { name: string; rows: AsyncIterable<object[]> }
  /** A stored file. */
  | { name: string; file: Readable };

/** The personal data of one module. Each module that has some registers a source: see CONTRIBUTING.md. */
export interface PersonalDataSource {
  /** The folder below `src/`. */
  module: string;
  tables: Record<string, PersonalTable>;
  /** Everything that the module stores about a user, without secrets and without data about other people. */
  export?: (subject: DataSubject) => AsyncIterable<ExportPart>;
  /**
   * Runs in the transaction that deletes the user, before the deletion, for what foreign keys and triggers do not do. No row
   * that refers to the user can be added meanwhile.
   */
  erase?: (manager: EntityManager, subject: DataSubject) => Promise<void>;
}
