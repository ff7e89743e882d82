import type { EntityManager } from 'typeorm';
import type { Caller } from '../../users/caller.js';
import type { Columns, TableRow } from './csv-table.js';

/** A change of a stored row. */
export interface Change<Item, Stored> {
  item: Item;
  stored: Stored;
}

/**
 * How the rows of one kind of table are read, found and written. `Item` is a valid row, `Stored` what the database has for it.
 * The methods throw a RowError for a row that cannot be imported.
 */
export interface TableImport<References, Item, Stored> {
  readonly columns: Columns;
  /** Reads what the rows refer to, such as centres by their codes. */
  load(manager: EntityManager, rows: TableRow[]): Promise<References>;
  /** Validates a row. */
  read(cells: TableRow['cells'], references: References): Item;
  /** Equal for two rows that mean the same thing. */
  keyOf(item: Item): string;
  /** The column that a duplicate is reported in. */
  readonly keyColumn: string;
  /** What is stored for each item, by its index; locked until the transaction ends if `lock` says so. */
  find(manager: EntityManager, items: Item[], lock: boolean): Promise<Map<number, Stored>>;
  /** Whether the row changes what is stored. */
  isChange(item: Item, stored: Stored): boolean;
  /** Checks a row that is not stored yet. */
  assertCreatable?(item: Item): void;
  create(manager: EntityManager, caller: Caller, items: Item[]): Promise<void>;
  update(manager: EntityManager, caller: Caller, changes: Change<Item, Stored>[]): Promise<void>;
}
