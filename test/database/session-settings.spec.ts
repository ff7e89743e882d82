import { expect, inject, it } from 'vitest';
import { newDataSource } from '../../src/database/data-source.js';

/** The values of these settings in a connection of the pool. */
async function settingsOf(options: { statementTimeout?: number }, names: string[]): Promise<string[]> {
  const dataSource = await newDataSource(inject('connection'), { size: 1, ...options }).initialize();
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
