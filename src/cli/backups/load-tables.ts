import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { SELECT_MESSAGE_WITHOUT_REFERENCE } from '../../chat/messages/message-references.js';
import { CommandError } from '../exit-codes.js';
import { damaged } from './archive-format.js';
import {
  columnList,
  type DatabaseDescription,
  listPartitions,
  listTables,
  type PartitionDescription,
  type TableDescription,
  TEXT_FORMAT,
} from './database-description.js';

/** A part of a table is not larger than this, so that a damaged one cannot fill the memory. */
const MAX_PART_BYTES = 256 * 1024 * 1024;
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;
const BOUNDS = /^(DEFAULT|FOR VALUES FROM \((MINVALUE|'[^'\\]{1,40}')\) TO \((MAXVALUE|'[^'\\]{1,40}')\))$/;

/** Foreign keys, without the parts that PostgreSQL makes for partitions. */
const FOREIGN_KEYS = `select conrelid::regclass::text as table, quote_ident(conname) as name,
    pg_get_constraintdef(oid) as definition
  from pg_constraint where contype = 'f' and conparentid = 0 and connamespace = current_schema()::regnamespace`;

/** The triggers of a partition that it does not have from its table: those on truncate. */
const OWN_TRIGGERS = `select quote_ident(tgname) as name, tgfoid::regproc::text as function
  from pg_trigger where tgrelid = $1::regclass and not tgisinternal and tgparentid = 0 and (tgtype & 32) > 0`;

const decompress = promisify(gunzip);

interface ForeignKey {
  table: string;
  name: string;
  definition: string;
}

/**
 * Loads the tables of a backup into a database that has the same migrations and no rows, within one transaction. Foreign keys
 * are removed meanwhile and added again at the end, which checks them, so that tables may come in any order and refer to each
 * other. Triggers do not run: what they did is in the rows. What they would check is checked at the end. No SQL of the backup is executed.
 */
export class TableLoader {
  private readonly quoted: (name: string) => string;
  private copy: { table: string; stream: Writable & { rowCount: number }; done: Promise<void> } | undefined;
  private readonly loaded: Record<string, number> = {};
  private foreignKeys: ForeignKey[] = [];

  constructor(
    private readonly client: Client,
    private readonly backup: DatabaseDescription,
  ) {
    this.quoted = (name) => client.escapeIdentifier(name);
  }

  /** Begins the transaction. Throws `target_not_empty`, and `backup_damaged` if the tables are not those of the backup. */
  async begin(): Promise<void> {
    await this.client.query(`begin; ${TEXT_FORMAT}`);
    await this.assertSameMigrations();
    const tables = await listTables(this.client);
    this.assertSameTables(tables);
    await this.client.query(`lock table ${tables.map(({ name }) => this.quoted(name)).join(', ')}`);
    await this.assertEmpty(tables);
    this.foreignKeys = (await this.client.query<ForeignKey>(FOREIGN_KEYS)).rows;
    for (const { table, name } of this.foreignKeys)
      await this.client.query(`alter table ${table} drop constraint ${name}`);
    for (const { name } of tables) await this.client.query(`alter table ${this.quoted(name)} disable trigger user`);
    await this.replacePartitions();
  }

  /** Loads one part of a table; the parts of a table follow each other. */
  async load(table: string, compressed: Buffer): Promise<void> {
    const text = (await decompress(compressed, { maxOutputLength: MAX_PART_BYTES }).catch((error: unknown) => {
      throw damaged(`a part of the table ${table} cannot be decompressed`, error);
    })) as Buffer;
    if (this.copy?.table !== table) {
      await this.endTable();
      this.startCopy(table);
    }
    const { stream, done } = this.copy!;
    if (!stream.write(text)) await Promise.race([once(stream, 'drain'), done]);
  }

  /** Adds what depends on all rows. Throws `backup_damaged` if a table does not have as many rows as the backup had. */
  async end(rows: Record<string, number>): Promise<void> {
    await this.endTable();
    for (const { name } of this.backup.tables) {
      if ((this.loaded[name] ?? 0) !== rows[name]) throw damaged(`rows of the table ${name} are missing`);
    }
    for (const { table, name, definition } of this.foreignKeys) {
      await this.client.query(`alter table ${table} add constraint ${name} ${definition}`);
    }
    const { rowCount } = await this.client.query(SELECT_MESSAGE_WITHOUT_REFERENCE);
    if (rowCount !== 0) throw damaged('the conversation or the sender of a message is missing');
    for (const { name } of this.backup.tables)
      await this.client.query(`alter table ${this.quoted(name)} enable trigger user`);
    for (const { name, last_value, is_called } of this.backup.sequences) {
      await this.client.query('select setval($1::regclass, $2, $3)', [this.quoted(name), last_value, is_called]);
    }
  }

  private async assertSameMigrations(): Promise<void> {
    const { rows } = await this.client.query<{ name: string }>('select name from migrations');
    const [newer] = rows.filter(({ name }) => !this.backup.migrations.includes(name));
    if (!newer) return;
    throw new CommandError(
      'target_not_empty',
      `The database has been migrated further than the backup (${newer.name}): restore into an empty database.`,
    );
  }

  private assertSameTables(tables: TableDescription[]): void {
    const [here, there] = [signaturesOf(tables), signaturesOf(this.backup.tables)];
    const missing = there.find((table) => !here.includes(table)) ?? here.find((table) => !there.includes(table));
    if (missing !== undefined) throw damaged(`its tables are not those of its migrations (${missing})`);
  }

  private async assertEmpty(tables: TableDescription[]): Promise<void> {
    for (const { name } of tables) {
      const { rowCount } = await this.client.query(`select from ${this.quoted(name)} limit 1`);
      if (rowCount !== 0) throw databaseNotEmpty(name);
    }
  }

  /** The months of the backup are not those in which the migrations ran here. */
  private async replacePartitions(): Promise<void> {
    const present = await listPartitions(this.client);
    const triggers = new Map<string, { name: string; function: string }[]>();
    for (const { parent, name } of present) {
      if (!triggers.has(parent)) {
        const { rows } = await this.client.query<{ name: string; function: string }>(OWN_TRIGGERS, [this.quoted(name)]);
        triggers.set(parent, rows);
      }
      await this.client.query(`drop table ${this.quoted(name)}`);
    }
    for (const partition of this.backup.partitions)
      await this.createPartition(partition, triggers.get(partition.parent));
  }

  private async createPartition(
    { name, parent, bounds }: PartitionDescription,
    triggers: { name: string; function: string }[] | undefined,
  ): Promise<void> {
    if (!triggers || !IDENTIFIER.test(name) || !BOUNDS.test(bounds))
      throw damaged(`the partition ${name} is not valid`);
    await this.client.query(`create table ${name} partition of ${this.quoted(parent)} ${bounds}`);
    for (const trigger of triggers) {
      await this.client.query(`create trigger ${trigger.name} before truncate on ${name}
        for each statement execute function ${trigger.function}()`);
    }
  }

  private startCopy(name: string): void {
    const table = this.backup.tables.find((one) => one.name === name);
    if (!table || this.loaded[name] !== undefined) throw damaged(`a part of the table ${name} is not expected`);
    const sql = `copy ${this.quoted(name)} (${columnList(this.client, table)}) from stdin`;
    const stream = this.client.query(copyFrom(sql));
    const done = finished(stream).catch((error: Error) => {
      throw damaged(`the rows of ${name} are refused (${error.message})`, error);
    });
    done.catch(() => undefined); // awaited by the next call
    this.copy = { table: name, stream, done };
  }

  /** Ends the table whose parts were loaded last. */
  async endTable(): Promise<void> {
    if (!this.copy) return;
    const { table, stream, done } = this.copy;
    stream.end();
    await done;
    this.loaded[table] = stream.rowCount;
    this.copy = undefined;
  }
}

const signaturesOf = (tables: TableDescription[]): string[] =>
  tables.map(({ name, columns }) => `${name}: ${columns.toSorted().join()}`);

const databaseNotEmpty = (table: string): CommandError =>
  new CommandError(
    'target_not_empty',
    `The database is not empty (${table} has rows): restore into an empty database and storage, before the first start of a server.`,
  );
