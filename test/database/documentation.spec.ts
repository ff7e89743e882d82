import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { packageRoot } from '../../src/common/version.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';

const text = readFileSync(join(packageRoot(), 'docs/database.md'), 'utf8');

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client(database.connection);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

it.each([
  [
    'table',
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace
      and relkind in ('r', 'p') and not relispartition`,
  ],
  ['trigger', 'select tgname as name from pg_trigger where not tgisinternal'],
  [
    'function',
    `select proname as name from pg_proc p where pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`,
  ],
])('docs/database.md names every %s of the schema', async (_, sql) => {
  const { rows } = await client.query<{ name: string }>(sql);
  expect(rows.length).toBeGreaterThan(1);
  expect(rows.map(({ name }) => name).filter((name) => !new RegExp(`\`${name}[\`(]`).test(text))).toEqual([]);
});

it('docs/database.md names no trigger that does not exist', async () => {
  const { rows } = await client.query<{ name: string }>(
    'select tgname as name from pg_trigger where not tgisinternal union select relname from pg_class',
  );
  const section = text.slice(text.indexOf('## Triggers'), text.indexOf('## Functions'));
  const headings = [...section.matchAll(/^- (.*?) \(/gm)].map(([heading]) => heading).join('');
  const listed = [...headings.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  expect(listed.length).toBeGreaterThan(10);
  expect(listed.filter((listedName) => !rows.some(({ name }) => name === listedName))).toEqual([]);
});
