import { expect, inject, it } from 'vitest';
import { connectClient } from '../../src/database/connections/client-config.js';
import { newDataSource } from '../../src/database/data-source.js';
import { createDatabase } from '../support/setup/database.js';

/** The values of these settings in a connection of the pool. */
async function settingsOf(
  options: { statementTimeout?: number },
  names: string[],
  connection = inject('connection'),
): Promise<string[]> {
  const dataSource = await newDataSource(connection, { size: 1, ...options }).initialize();
  const rows = await dataSource.query<{ value: string }[]>(
    'select current_setting(name) as value from unnest($1::text[]) name',
    [names],
  );
  await dataSource.destroy();
  return rows.map(({ value }) => value);
}

const LIMITS = ['statement_timeout', 'idle_in_transaction_session_timeout'];

it('connections of the pool end a statement after ten seconds and an idle transaction after a minute', async () => {
  expect(await settingsOf({}, LIMITS)).toEqual(['10s', '1min']);
});

it('migrations have no limit for a statement', async () => {
  expect(await settingsOf({ statementTimeout: 0 }, LIMITS)).toEqual(['0', '1min']);
});

it('connections of the pool turn off just-in-time compilation', async () => {
  expect(await settingsOf({}, ['jit'])).toEqual(['off']);
});

it.for([
  ['datestyle', 'SQL, DMY', 'ISO, DMY'],
  ['standard_conforming_strings', 'off', 'on'],
  ['default_transaction_isolation', 'serializable', 'read committed'],
  ['quote_all_identifiers', 'on', 'off'],
  ['array_nulls', 'off', 'on'],
  ['extra_float_digits', '0', '1'],
  ['lock_timeout', '100ms', '0'],
  ['idle_session_timeout', '1s', '0'],
  ['transaction_timeout', '1s', '0'],
] as const)(
  'connections do not take %s from the database',
  async ([name, ofDatabase, ofPool], { onTestFinished, skip }) => {
    const { connection, drop } = await createDatabase();
    const dataSource = await newDataSource(connection, { size: 1 }).initialize();
    onTestFinished(drop);
    onTestFinished(() => dataSource.destroy());
    const [row] = await dataSource.query<{ value: string | null }[]>('select current_setting($1, true) as value', [
      name,
    ]);
    if (row!.value === null) skip(); // an older server
    await dataSource.query(`alter database ${connection.database} set ${name} = '${ofDatabase}'`);
    expect(await settingsOf({}, [name], connection)).toEqual([ofPool]);
    const client = await connectClient(connection); // as the commands do
    const { rows } = await client.query<Record<string, string>>(`show ${name}`);
    await client.end();
    expect(Object.values(rows[0]!)).toEqual([ofPool]);
  },
);
