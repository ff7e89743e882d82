import { expect, inject, it } from 'vitest';
import { newDataSource } from '../../src/database/data-source.js';

/** The limits of a connection of the pool. */
async function limitsOf(options: { statementTimeout?: number }): Promise<string[]> {
  const dataSource = await newDataSource(inject('connection'), { size: 1, ...options }).initialize();
  const [row] = await dataSource.query<Record<string, string>[]>(
    `select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`,
  );
  await dataSource.destroy();
  return Object.values(row!);
}

it('connections of the pool end a statement after ten seconds and an idle transaction after a minute', async () => {
  expect(await limitsOf({})).toEqual(['10s', '1min']);
});

it('migrations have no limit for a statement', async () => {
  expect(await limitsOf({ statementTimeout: 0 })).toEqual(['0', '1min']);
});
