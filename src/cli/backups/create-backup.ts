import { constants, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { causeMessage } from '../../common/cause-message.js';
import { VERSION } from '../../common/version.js';
import type { Config } from '../../config/config.js';
import type { DatabaseConnection } from '../../config/database/database-connection.js';
import { ADVISORY_LOCKS } from '../../database/advisory-locks.js';
import { connectClient } from '../../database/connections/client-config.js';
import { DatabaseError } from '../../database/database-error.js';
import { isKey, PROBES_FOLDER, type Storage } from '../../storage/storage.js';
import { CommandError } from '../exit-codes.js';
import { type Output, sizeText } from '../output.js';
import {
  type BackupEnd,
  CACHE_ATTRIBUTE,
  DATABASE_FOLDER,
  FILES_FOLDER,
  FORMAT,
  HEADER_ENTRY,
  KEYS_FOLDER,
  TYPE_ATTRIBUTE,
} from './archive-format.js';
import type { ArchiveWriter } from './archive-writer.js';
import {
  columnList,
  type DatabaseDescription,
  describeDatabase,
  type TableDescription,
  TEXT_FORMAT,
} from './database-description.js';
import { createdKeys, fingerprints } from './key-fingerprints.js';

const PART_BYTES = 4 * 1024 * 1024;

const compress = promisify(gzip);

/** The first entry of a backup. */
export interface BackupHeader {
  format: number;
  machi: string;
  created_at: string;
  database: DatabaseDescription;
  /** Fingerprints of the keys that the data needs, by setting. */
  keys: ReturnType<typeof fingerprints>;
  /** The keys that the backup contains. */
  created_keys: string[];
}

export interface Installation {
  config: Config;
  /** The way to the database that keeps its session. */
  connection: DatabaseConnection;
  storage: Storage;
  output: Output;
  /** Aborted when the operator interrupts the command. */
  signal: AbortSignal;
}

/** What a backup holds. */
export interface BackupSummary extends BackupEnd {
  created_at: string;
  created_keys: string[];
}

/**
 * Copies database and files while servers use them. The rows are those of one moment. Files are copied afterwards; until then
 * servers delete none, so that each of these rows has its files.
 */
export async function createBackup(installation: Installation, archive: ArchiveWriter): Promise<BackupSummary> {
  const client = await connectClient(installation.connection, { statementTimeout: 0 });
  try {
    await lockDeletions(client);
    // The snapshot is taken after the lock: no deletion is half done in it.
    await client.query('begin transaction isolation level repeatable read read only');
    await client.query(TEXT_FORMAT);
    const header = await describe(installation, client);
    await archive.add(HEADER_ENTRY, `${JSON.stringify(header, null, 2)}\n`);
    const rows = await copyTables(installation, client, header.database.tables, archive);
    await client.query('commit'); // the lock stays until the connection ends
    for (const { file, content } of createdKeys(installation.config)) await archive.add(KEYS_FOLDER + file, content);
    const files = await copyFiles(installation, archive);
    await client.query('select'); // throws if the connection, and with it the lock, was lost meanwhile
    await archive.end({ rows, files });
    const { created_at, created_keys } = header;
    return { entries: archive.entries, bytes: archive.bytes, rows, files, created_at, created_keys };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Waits for running deletions to end. One backup at a time: a second one would wait for the first. */
async function lockDeletions(client: Client): Promise<void> {
  await client.query(`set lock_timeout = '30s'`);
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCKS.fileDeletions]).catch((error: Error) => {
    const reason = `Files are being deleted, or another backup is running (${error.message}): try again.`;
    throw new CommandError('backup_running', reason, undefined, { cause: error });
  });
}

async function describe({ config }: Installation, client: Client): Promise<BackupHeader> {
  const database = await describeDatabase(client).catch((error: Error) => {
    throw new DatabaseError(`Reading the database failed (${error.message}): is it a database of Machi?`, {
      cause: error,
    });
  });
  return {
    format: FORMAT,
    machi: VERSION,
    created_at: new Date().toISOString(),
    database,
    keys: fingerprints(config),
    created_keys: createdKeys(config).map(({ name }) => name),
  };
}

async function copyTables(
  { output, signal }: Installation,
  client: Client,
  tables: TableDescription[],
  archive: ArchiveWriter,
): Promise<Record<string, number>> {
  const rows: Record<string, number> = {};
  for (const [index, table] of tables.entries()) {
    output.progress(`Database: table ${index + 1} of ${tables.length}, ${sizeText(archive.bytes)}`);
    // A query, because COPY of a partitioned table does not read its partitions.
    const sql = `select ${columnList(client, table)} from ${client.escapeIdentifier(table.name)}`;
    const stream = client.query(copyTo(`copy (${sql}) to stdout`));
    let part = 0;
    for await (const text of partsOf(stream)) {
      signal.throwIfAborted();
      const name = `${DATABASE_FOLDER}${table.name}.${String(++part).padStart(6, '0')}.copy.gz`;
      await archive.add(name, await compress(text, { level: constants.Z_BEST_SPEED }));
      output.progress(`Database: table ${index + 1} of ${tables.length}, ${sizeText(archive.bytes)}`);
    }
    rows[table.name] = stream.rowCount;
  }
  return rows;
}

/** Collects chunks to parts of about 4 MiB. */
async function* partsOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < PART_BYTES) continue;
    yield Buffer.concat(chunks);
    [chunks, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(chunks);
}

/** Copies all stored files besides probes. Files that servers have just stored and discarded again may be missing. */
async function copyFiles({ storage, output, signal }: Installation, archive: ArchiveWriter): Promise<number> {
  let files = 0;
  for await (const { key } of storage.list('')) {
    signal.throwIfAborted();
    if (key.startsWith(PROBES_FOLDER) || !isKey(key)) continue;
    const isFound = await copyFile(storage, key, archive).catch((error: unknown) => {
      throw new CommandError('backup_failed', `Copying the file ${key} failed (${causeMessage(error)}).`);
    });
    if (!isFound) continue;
    files++;
    output.progress(`Files: ${files}, ${sizeText(archive.bytes)} in all`);
  }
  return files;
}

/** False when the file does not exist any more. */
async function copyFile(storage: Storage, key: string, archive: ArchiveWriter): Promise<boolean> {
  const found = await storage.get(key);
  if (!found) return false;
  const { body, size, type, cache_control } = found;
  try {
    const attributes = { [TYPE_ATTRIBUTE]: type, [CACHE_ATTRIBUTE]: cache_control };
    await archive.addStream(FILES_FOLDER + key, body, size, attributes);
    return true;
  } finally {
    body.destroy();
  }
}
