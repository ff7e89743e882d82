import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { addAbortSignal, type Readable, type Writable } from 'node:stream';
import { loadConfig } from '../../config/load-config.js';
import { openStorage } from '../../storage/storage.module.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { type Output, sizeText } from '../output.js';
import { createLog, withDatabase } from '../with-database.js';
import { ArchiveWriter } from './archive-writer.js';
import { createBackup, type Installation } from './create-backup.js';
import { restoreBackup, type RestoreOptions, verifyBackup } from './restore-backup.js';

const STANDARD_STREAM = '-';

/** Writes a backup to a new file, or to standard output. */
export async function backup(file: string, output: Output): Promise<void> {
  const target = openTarget(file, output);
  const summary = await onInstallation(output, async (installation) => {
    const archive = new ArchiveWriter(addAbortSignal(installation.signal, target.stream)); // a pipe may have stopped to read
    try {
      return await createBackup(installation, archive);
    } catch (error) {
      await archive.abort(error as Error);
      throw archive.targetError ? cannotCreate(file, archive.targetError.message) : error;
    }
  }).catch((error: unknown) => {
    target.remove();
    throw error;
  });
  target.keep();
  const rows = Object.values(summary.rows).reduce((sum, count) => sum + count, 0);
  const keys = summary.created_keys.length === 0 ? 'no keys' : `the keys ${summary.created_keys.join(', ')}`;
  output.result(
    { file, ...summary },
    `${file}: ${rows} rows, ${summary.files} files, ${keys}; ${sizeText(summary.bytes)}`,
  );
}

/** Restores a backup. */
export async function restore(file: string, options: RestoreOptions, output: Output): Promise<void> {
  const log = createLog();
  const summary = await onInstallation(output, (installation) =>
    // Aborted as well: a pipe may have stopped to send.
    restoreBackup(installation, () => addAbortSignal(installation.signal, openSource(file)), log, options),
  );
  const rows = Object.values(summary.rows).reduce((sum, count) => sum + count, 0);
  output.result(
    { file, ...summary },
    `Restored the backup of ${summary.created_at}: ${rows} rows, ${summary.files} files. The server can start.`,
  );
}

/** Only compares a backup with its checksums. */
export async function verify(file: string, output: Output): Promise<void> {
  const { header, entries, bytes, rows, files } = await verifyBackup(() => openSource(file));
  const { created_at, machi } = header;
  output.result(
    { file, created_at, machi, entries, bytes, rows, files },
    `${file}: complete and unchanged; made by Machi ${machi} at ${created_at}, ${files} files, ${sizeText(bytes)}`,
  );
}

/** Runs `work` with the database and the storage of this installation. SIGINT, SIGTERM and SIGHUP abort it in an orderly way. */
async function onInstallation<T>(output: Output, work: (installation: Installation) => Promise<T>): Promise<T> {
  const config = loadConfig();
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new CommandError('interrupted', `Interrupted by ${name}.`)));
  }
  const storage = await openStorage(config);
  const { signal } = stop;
  return withDatabase(config, createLog(), ({ connection, direct }) =>
    work({ config, connection: direct ?? connection, storage, output, signal }),
  ).catch((error: unknown) => {
    signal.throwIfAborted(); // what has failed was interrupted
    throw error;
  });
}

function openSource(file: string): Readable {
  return file === STANDARD_STREAM ? process.stdin : createReadStream(file);
}

interface Target {
  stream: Writable;
  keep(): void;
  remove(): void;
}

/**
 * Writes under another name until the archive is complete. The name is of this process only: another backup into the same file
 * would write into the same bytes. Readable by its owner only.
 */
function openTarget(file: string, output: Output): Target {
  if (file === STANDARD_STREAM) {
    output.isStdoutTaken = true;
    return { stream: process.stdout, keep: () => undefined, remove: () => undefined };
  }
  const unfinished = `${file}.${randomUUID()}.unfinished`;
  assertMissing(file);
  const stream = createWriteStream(unfinished, { fd: open(unfinished, file), flush: true });
  const remove = (): void => rmSync(unfinished, { force: true });
  const keep = (): void => {
    try {
      assertMissing(file); // another backup may have written it since
      renameSync(unfinished, file);
    } catch (error) {
      remove();
      throw error instanceof CommandError ? error : cannotCreate(file, (error as Error).message);
    }
  };
  return { stream, keep, remove };
}

function assertMissing(file: string): void {
  if (existsSync(file)) throw cannotCreate(file, 'it exists');
}

function open(unfinished: string, file: string): number {
  try {
    return openSync(unfinished, 'wx', 0o600);
  } catch (error) {
    throw cannotCreate(file, (error as Error).message);
  }
}

const cannotCreate = (file: string, reason: string): CommandError =>
  new CommandError('cannot_create', `${file} cannot be written: ${reason}.`, EXIT.cannotCreate);
