import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { causeMessage } from '../../common/cause-message.js';
import type { Config } from '../../config/config.js';
import { CREATED_KEYS, type CreatedKey } from '../../config/load-config.js';
import { ADVISORY_LOCKS } from '../../database/advisory-locks.js';
import { connectClient } from '../../database/connections/client-config.js';
import { listMigrations, migrateDatabase } from '../../database/open-database.js';
import { isKey, PROBES_FOLDER, type Storage } from '../../storage/storage.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { sizeText } from '../output.js';
import {
  type BackupEnd,
  CACHE_ATTRIBUTE,
  damaged,
  DATABASE_FOLDER,
  FILES_FOLDER,
  FORMAT,
  HEADER_ENTRY,
  KEYS_FOLDER,
  TYPE_ATTRIBUTE,
} from './archive-format.js';
import { type ArchiveEntry, parseJson, readArchive } from './archive-reader.js';
import type { BackupHeader, Installation } from './create-backup.js';
import { createdKeys, missingKeys } from './key-fingerprints.js';
import { TableLoader } from './load-tables.js';

export interface RestoreSummary extends BackupEnd {
  created_at: string;
  /** Keys that were taken from the backup. */
  created_keys: string[];
  /** Migrations of this version that ran after the rows had been loaded. */
  migrated: string[];
}

export interface RestoreOptions {
  /** Goes on although this installation lacks keys of the backup. */
  acceptOtherKeys?: boolean;
}

/** Reads a whole backup and compares it with its checksums. Throws `backup_damaged`. */
export async function verifyBackup(open: () => Readable): Promise<BackupEnd & { header: BackupHeader }> {
  let end: BackupEnd | undefined;
  const entries = readArchive(open, (found) => (end = found));
  const header = await readHeader(entries);
  for await (const _ of entries); // compares
  return { ...end!, header };
}

/**
 * Restores a backup into an empty database and an empty storage, while it is read once. The rows are committed after the last
 * entry has been compared with its checksum. If anything fails before, no row remains, and the files are removed again.
 */
export async function restoreBackup(
  installation: Installation,
  open: () => Readable,
  log: Logger,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  const { config, connection, storage } = installation;
  await assertStorageEmpty(storage);
  let end: BackupEnd | undefined;
  const entries = readArchive(open, (found) => (end = found));
  const header = await readHeader(entries);
  const keys = keysToTake(config, header, options);
  assertKnownMigrations(header);
  await migrateDatabase(connection, log, header.database.migrations);
  const client = await connectClient(connection, { statementTimeout: 0 });
  try {
    // A server that starts now waits for this lock. It would create the first administrator.
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCKS.migrations]);
    const loader = new TableLoader(client, header.database);
    await loader.begin();
    try {
      const files = await restoreEntries(installation, entries, loader, keys);
      if (files !== end!.files) throw damaged('files are missing');
      await loader.end(end!.rows);
      writeKeys(config, keys);
    } catch (error) {
      await removeFiles(storage);
      throw error;
    }
    await client.query('commit');
    await client.query('analyze');
  } finally {
    await client.end().catch(() => undefined); // rolls back what is not committed
  }
  const migrated = await migrateDatabase(connection, log);
  return { ...end!, created_at: header.created_at, created_keys: [...keys.keys()], migrated };
}

async function readHeader(entries: AsyncGenerator<ArchiveEntry>): Promise<BackupHeader> {
  const first = await entries.next();
  if (first.done || first.value.name !== HEADER_ENTRY) throw damaged('it is not a backup of Machi');
  const header = parseJson(await first.value.read(), HEADER_ENTRY) as BackupHeader;
  if (header.format !== FORMAT) throw damaged(`its format is that of Machi ${header.machi}; use that version`);
  return header;
}

function assertKnownMigrations({ machi, database }: BackupHeader): void {
  const known = listMigrations();
  if (database.migrations.every((name) => known.includes(name))) return;
  throw damaged(`it was made by a newer version (${machi}); use that version or a newer one`);
}

/**
 * The keys that replace those which Machi has just created in DATA_DIR; their values follow in the backup. Throws `keys_differ`
 * when keys of the backup are missing that only the operator can set.
 */
function keysToTake(
  config: Config,
  { keys, created_keys }: BackupHeader,
  { acceptOtherKeys }: RestoreOptions,
): Map<CreatedKey, string> {
  const missing = missingKeys(config, keys);
  const replaceable = createdKeys(config).map(({ name }) => name);
  const taken = missing.filter((name) => replaceable.includes(name) && created_keys.includes(name));
  const lacking = missing.filter((name) => !taken.includes(name));
  if (lacking.length === 0 || acceptOtherKeys) return new Map(taken.map((name) => [name, '']));
  throw new CommandError(
    'keys_differ',
    `The backup needs other keys than those of ${lacking.join(', ')}: set the keys with which the backup was made. With --accept-other-keys it is restored, and what they encrypted is lost.`,
    EXIT.config,
  );
}

/** Returns the number of files. */
async function restoreEntries(
  { storage, output, signal }: Installation,
  entries: AsyncGenerator<ArchiveEntry>,
  loader: TableLoader,
  keys: Map<CreatedKey, string>,
): Promise<number> {
  let [files, bytes] = [0, 0];
  for await (const entry of entries) {
    signal.throwIfAborted();
    bytes += entry.size;
    if (entry.name.startsWith(DATABASE_FOLDER)) {
      const table = entry.name.slice(DATABASE_FOLDER.length).split('.')[0]!;
      output.progress(`Database: ${table}, ${sizeText(bytes)}`);
      await loader.load(table, await entry.read());
      continue;
    }
    await loader.endTable();
    if (entry.name.startsWith(KEYS_FOLDER)) await takeKey(entry, keys);
    else if (entry.name.startsWith(FILES_FOLDER)) await restoreFile(storage, entry, ++files);
    else throw damaged(`${entry.name} is not expected`);
    output.progress(`Files: ${files}, ${sizeText(bytes)} in all`);
  }
  return files;
}

async function takeKey(entry: ArchiveEntry, keys: Map<CreatedKey, string>): Promise<void> {
  const [name] = [...keys.keys()].filter((one) => KEYS_FOLDER + CREATED_KEYS[one] === entry.name);
  if (name !== undefined) keys.set(name, (await entry.read()).toString());
}

async function restoreFile(storage: Storage, { name, size, attributes, body }: ArchiveEntry, n: number): Promise<void> {
  const key = name.slice(FILES_FOLDER.length);
  const [type, cache_control = ''] = [attributes[TYPE_ATTRIBUTE], attributes[CACHE_ATTRIBUTE]];
  if (!isKey(key) || type === undefined) throw damaged(`the file ${name} is not valid`);
  let sourceError: unknown;
  const source = Readable.from(onFailure(body, (error) => (sourceError = error)));
  await storage.put(key, source, { size, type, cache_control }).catch((error: unknown) => {
    if (sourceError) throw sourceError; // the backup is at fault, and not the storage
    const message = `Storing file ${n} (${key}) failed (${causeMessage(error)}).`;
    throw new CommandError('storage_unavailable', message, EXIT.unavailable, { cause: error });
  });
}

async function* onFailure(source: AsyncIterable<Buffer>, report: (error: unknown) => void): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    report(error);
    throw error;
  }
}

/** Each complete or not at all, readable by its owner only. */
function writeKeys({ DATA_DIR }: Config, keys: Map<CreatedKey, string>): void {
  for (const [name, content] of keys) {
    const file = join(DATA_DIR, CREATED_KEYS[name]);
    try {
      writeFileSync(`${file}.restored`, content, { mode: 0o600, flush: true });
      renameSync(`${file}.restored`, file);
    } catch (error) {
      const message = `${file} cannot be written (${(error as Error).message}).`;
      throw new CommandError('cannot_create', message, EXIT.cannotCreate, { cause: error });
    }
  }
}

async function assertStorageEmpty(storage: Storage): Promise<void> {
  for await (const { key } of storage.list('')) {
    if (key.startsWith(PROBES_FOLDER)) continue;
    throw new CommandError(
      'target_not_empty',
      `The storage is not empty (${key}): restore into an empty database and storage. Remove what an interrupted restore has left.`,
    );
  }
}

/** The storage was empty before, so all its files are those of this restore. */
async function removeFiles(storage: Storage): Promise<void> {
  for await (const { key } of storage.list('')) if (isKey(key)) await storage.delete(key);
}
