import { expect, inject, it } from 'vitest';
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

it.each([
  ['datestyle', 'SQL, DMY', 'ISO, DMY'],
  ['standard_conforming_strings', 'off', 'on'],
  ['default_transaction_isolation', 'serializable', 'read committed'],
  ['extra_float_digits', '0', '1'],
  ['lock_timeout', '100ms', '0'],
  ['idle_session_timeout', '1s', '0'],
])('connections of the pool do not take %s from the database', async (name, ofDatabase, ofPool) => {
  const { connection, drop } = await createDatabase();
  const dataSource = await newDataSource(connection, { size: 1 }).initialize();
  await dataSource.query(`alter database ${connection.database} set ${name} = '${ofDatabase}'`);
  await dataSource.destroy();
  expect(await settingsOf({}, [name], connection)).toEqual([ofPool]);
  await drop();
});
