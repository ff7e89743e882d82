// The PostgreSQL servers of the benches. One with Machi's tables is made once in a run; each server gets a copy of its files.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newDataSource } from '../../dist/src/database/data-source.js';
import { EmbeddedPostgres } from '../../dist/src/database/embedded/embedded-postgres.js';
import { migrate } from '../../dist/src/database/open-database.js';
import { stopOnInterrupt } from './interrupt.mjs';

const LOG = { info() {}, warn: console.warn };
let prepared;

/** Starts a PostgreSQL with Machi's tables, which are empty, in a folder of its own. `stop` also removes the folder. */
export async function startPostgres() {
  prepared ??= prepare();
  const dataDir = makeFolder();
  execFileSync('cp', ['-a', `${await prepared}/.`, dataDir]); // with the owner: root starts it as another user
  const postgres = new EmbeddedPostgres(dataDir, LOG, { max_connections: '200' });
  await postgres.start();
  const stop = stopOnInterrupt(async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { dataDir, connection: postgres.connection, stop };
}

async function prepare() {
  const folder = makeFolder();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const postgres = new EmbeddedPostgres(folder, LOG);
  const stop = stopOnInterrupt(() => postgres.stop());
  await postgres.start();
  const dataSource = await newDataSource(postgres.connection, { size: 2, statementTimeout: 0 }).initialize();
  await migrate(dataSource, LOG);
  await dataSource.destroy();
  await stop();
  return folder;
}

const makeFolder = () => mkdtempSync(join(tmpdir(), 'machi-bench-'));
