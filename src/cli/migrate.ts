import { loadConfig } from '../config/load-config.js';
import { migrateDatabase, planMigrations } from '../database/open-database.js';
import type { Output } from './output.js';
import { createLog, withDatabase } from './with-database.js';

/** Runs the pending migrations. */
export async function migrate(output: Output): Promise<void> {
  const log = createLog();
  const migrated = await withDatabase(loadConfig(), log, ({ connection, direct }) => {
    output.progress('Running the pending migrations …');
    return migrateDatabase(direct ?? connection, log);
  });
  output.result({ migrated }, migrated.length === 0 ? 'There was nothing to migrate.' : ran(migrated));
}

/** Lists the pending migrations. */
export async function planMigrate(output: Output): Promise<void> {
  const log = createLog();
  const plan = await withDatabase(loadConfig(), log, ({ connection, direct }) =>
    planMigrations(direct ?? connection, log),
  );
  const { pending, unknown } = plan;
  const newer = unknown.length === 0 ? [] : [`The database has migrations of a newer version: ${unknown.join(', ')}`];
  const text =
    pending.length === 0 ? 'No migration is pending.' : `Pending:\n${pending.map((name) => `  ${name}`).join('\n')}`;
  output.result(plan, [text, ...newer].join('\n'));
}

const ran = (names: string[]): string =>
  `Ran ${names.length} migrations:\n${names.map((name) => `  ${name}`).join('\n')}`;
