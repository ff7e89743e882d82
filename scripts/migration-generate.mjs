// `npm run migration:generate`: prints the SQL by which the entities differ from the migrations, as a draft for the next file
// in migrations/. Uses a temporary database.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { newDataSource } from '../dist/src/database/data-source.js';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { migrate } from '../dist/src/database/open-database.js';

const log = pino({ level: 'silent' });
const folder = mkdtempSync(join(tmpdir(), 'machi-migration-'));
const postgres = new EmbeddedPostgres(folder, log);
try {
  await postgres.start();
  const dataSource = await newDataSource(postgres.connection, { size: 4, statementTimeout: 0 }).initialize();
  await migrate(dataSource, log);
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log();
  await dataSource.destroy();
  const print = (queries) => queries.map(({ query }) => `  \`${query}\`,`).join('\n');
  if (upQueries.length === 0) console.log('Entities and migrations agree.');
  else console.log(`const UP = [\n${print(upQueries)}\n];\n\nconst DOWN = [\n${print(downQueries)}\n];`);
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
