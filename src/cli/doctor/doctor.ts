import type { Config } from '../../config/config.js';
import { ConfigError } from '../../config/config-error.js';
import { loadConfig } from '../../config/load-config.js';
import { createLog, withDatabase } from '../with-database.js';
import { type Check, error, ok, skipped, warning } from './check.js';
import { examineDatabase } from './database-checks.js';
import { examineDisks } from './disk-checks.js';
import { examineMail } from './mail-checks.js';
import { examineProxy } from './proxy-checks.js';
import { examineStorage } from './storage-checks.js';

/** Checks an installation part by part. A part that fails does not keep the others from being checked. */
export async function diagnose(onStart: (part: string) => void): Promise<{ checks: Check[] }> {
  onStart('settings');
  const config = tryToLoad();
  if (config instanceof ConfigError) {
    const remedy = 'Correct the settings; everything else is checked after that.';
    return { checks: config.errors.map((sentence) => error('settings', sentence, remedy)) };
  }
  const parts: [string, () => Promise<Check[]>][] = [
    ['settings', () => Promise.resolve([...examineSettings(config)])],
    ['database', () => examineReachable(config)],
    ['storage', () => examineStorage(config)],
    ['mail', () => examineMail(config)],
    ['proxy', () => examineProxy(config)],
    ['disks', () => examineDisks(config)],
  ];
  const checks: Check[] = [];
  for (const [part, examine] of parts) {
    onStart(part);
    checks.push(...(await examine().catch((failure: Error) => [defect(part, failure)])));
  }
  return { checks };
}

function tryToLoad(): Config | ConfigError {
  try {
    return loadConfig();
  } catch (failure) {
    if (failure instanceof ConfigError) return failure;
    throw failure;
  }
}

function* examineSettings(config: Config): Generator<Check> {
  yield ok('settings', `valid, for ${config.NODE_ENV}`);
  for (const notice of config.notices) yield warning('settings', notice, 'Correct the setting.');
  if (config.CERTIFICATE_KEY === undefined) {
    yield warning(
      'keys',
      'CERTIFICATE_KEY is not set: no certificates are issued',
      'Set it, if people are vaccinated.',
    );
  } else yield ok('keys', 'SECRET_KEY, NATIONAL_ID_KEY, NATIONAL_ID_INDEX_KEY and CERTIFICATE_KEY are set');
}

/** The reasons why the database cannot be used are checks as well: the sentences for operators name the remedy. */
async function examineReachable(config: Config): Promise<Check[]> {
  try {
    return await withDatabase(config, createLog(), (database) => examineDatabase(config, database));
  } catch (failure) {
    if (failure instanceof ConfigError) return failure.errors.map((sentence) => unreachable(sentence));
    return [unreachable((failure as Error).message)];
  }
}

/** Splits a sentence such as "The database cannot be reached (reason): check DATABASE_URL." */
function unreachable(sentence: string): Check {
  const [, detail = sentence, remedy = 'See docs/operations.md.'] = /^(.*?\)?): (.*)$/s.exec(sentence) ?? [];
  return error('database', detail, remedy);
}

const defect = (part: string, { message }: Error): Check => skipped(part, `could not be checked (${message})`);
