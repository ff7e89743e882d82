// Fills a migrated database, for the bench of growth and for the test of query plans.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FILES = ['accounts', 'chat', 'vaccination', 'projects'].map((name) =>
  join(import.meta.dirname, 'large-database', `${name}.sql`),
);

/** Indexes that are no constraints: they are made faster at once than row by row. Those of partitions go with their tables. */
const INDEXES = `select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'i' and not c.relispartition
    and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`;

/**
 * Adds so many users, messages, chapters, appointments and so on, and a fifth as many of what is rarer, without triggers and checks of
 * foreign keys. The client of node-postgres is a superuser. `person1` has many rows of each kind.
 */
export async function fillLargeDatabase(client, rows) {
  const { rows: indexes } = await client.query(INDEXES);
  await client.query(
    `set session_replication_role = replica; set work_mem = '64MB'; set maintenance_work_mem = '256MB'`,
  );
  for (const { name } of indexes) await client.query(`drop index ${name}`);
  for (const file of FILES) await client.query(statementsOf(file, rows));
  for (const { definition } of indexes) await client.query(definition);
  await client.query('set session_replication_role = origin');
  await client.query('vacuum analyze');
}

const statementsOf = (file, rows) =>
  readFileSync(file, 'utf8').replaceAll(/:(rows|some)\b/g, (_, name) => String(name === 'rows' ? rows : rows / 5));
