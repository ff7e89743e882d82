import type { Client } from 'pg';

/** The tables of the schema, without partitions, which belong to their table, and without the list of migrations. */
const TABLES = `select c.relname::text as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and c.relname <> 'migrations'
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
  group by c.relname order by c.relname`;

/** Partitions are made while Machi runs, not by migrations. */
const PARTITIONS = `select c.relname::text as name, p.relname::text as parent, pg_get_expr(c.relpartbound, c.oid) as bounds
  from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
  where c.relispartition and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by c.relname`;

const SEQUENCES = `select c.relname::text as name from pg_class c
  where c.relnamespace = current_schema()::regnamespace and c.relkind = 'S' order by c.relname`;

/** How values are written and read, so that neither side depends on the settings of its server. */
export const TEXT_FORMAT = `set local datestyle = 'ISO, YMD'; set local intervalstyle = postgres; set local timezone = 'UTC';
  set local extra_float_digits = 3; set local client_encoding = 'UTF8'; set local lock_timeout = 0;
  set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0`;

export interface TableDescription {
  name: string;
  /** Those that can be written: without generated ones. */
  columns: string[];
}

export interface PartitionDescription {
  name: string;
  parent: string;
  bounds: string;
}

/** What is in a database besides rows and besides what its migrations make. */
export interface DatabaseDescription {
  server_version: string;
  /** Names, in the order in which they ran. */
  migrations: string[];
  tables: TableDescription[];
  partitions: PartitionDescription[];
  sequences: { name: string; last_value: string; is_called: boolean }[];
}

/** Describes the database as the transaction of the client sees it. Sequences belong to no transaction: they may be ahead. */
export async function describeDatabase(client: Client): Promise<DatabaseDescription> {
  const rowsOf = async <Row extends object>(sql: string): Promise<Row[]> => (await client.query<Row>(sql)).rows;
  const sequences: DatabaseDescription['sequences'] = [];
  for (const { name } of await rowsOf<{ name: string }>(SEQUENCES)) {
    const sql = `select last_value::text, is_called from ${client.escapeIdentifier(name)}`;
    const [state] = await rowsOf<{ last_value: string; is_called: boolean }>(sql);
    sequences.push({ name, ...state! });
  }
  const [version] = await rowsOf<{ server_version: string }>('show server_version');
  const migrations = await rowsOf<{ name: string }>('select name from migrations order by id');
  return {
    server_version: version!.server_version,
    migrations: migrations.map(({ name }) => name),
    tables: await listTables(client),
    partitions: await listPartitions(client),
    sequences,
  };
}

export const listTables = async (client: Client): Promise<TableDescription[]> =>
  (await client.query<TableDescription>(TABLES)).rows;

export const listPartitions = async (client: Client): Promise<PartitionDescription[]> =>
  (await client.query<PartitionDescription>(PARTITIONS)).rows;

/** The columns of a table for a statement. */
export const columnList = (client: Client, { columns }: TableDescription): string =>
  columns.map((name) => client.escapeIdentifier(name)).join(', ');
