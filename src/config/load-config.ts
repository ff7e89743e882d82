import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync } from 'class-validator';
import { join, resolve } from 'node:path';
import { createKeyPair, readCertifiedKeyPair, readKeyPair } from '../common/keys/key-pair.js';
import { readOrCreateSecret } from '../common/keys/secret-file.js';
import { readSmallFile } from '../common/small-file.js';
import { withAliases } from './environment/aliases.js';
import { findTruncatedValues } from './environment/env-file.js';
import { findConfigErrors, type UncheckedConfig } from './config-checks.js';
import { ConfigError } from './config-error.js';
import { Config, type Profile, PROFILES } from './config.js';

type Values = Record<string, string>;

/** The settings that may come as a file, whose path is in the variable with `_FILE` at the end of its name. */
export const SECRETS = [
  'SECRET_KEY',
  'SIGNING_KEY',
  'ACCEPTED_SIGNING_KEYS',
  'NATIONAL_ID_KEY',
  'NATIONAL_ID_INDEX_KEY',
  'ACCEPTED_NATIONAL_ID_KEYS',
  'ACCEPTED_NATIONAL_ID_INDEX_KEYS',
  'CERTIFICATE_KEY',
  'ACCEPTED_CERTIFICATE_KEYS',
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'DB_PASSWORD',
  'ADMIN_PASSWORD',
  'SMTP_URL',
  'S3_SECRET_ACCESS_KEY',
  'SMS_GATEWAY_TOKEN',
  'VAPID_PRIVATE_KEY',
  'METRICS_TOKEN',
  'REDIS_URL',
] as const;

/** The names of all settings: the properties of Config with a validation rule. */
export const listSettings = (): (keyof Config)[] => [
  ...new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(Config, '', false, false)
      .map((rule) => rule.propertyName as keyof Config),
  ),
];

/**
 * Reads and validates the environment, and creates the keys that are missing outside production. Throws ConfigError with all
 * errors found.
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env, envFile = '.env'): Config {
  const { config, values, notices } = readConfig(environment, envFile);
  const created = { ...readOrCreateKeys(config.DATA_DIR, values), ...createKeyPairs(config) };
  return Object.freeze(Object.assign(toConfig({ ...created, ...values }), { notices }));
}

/** The same for a command. It may run beside the server, so it leaves METRICS_PORT, which several WORKERS would need, to the server. */
export const loadCommandConfig = (): Config => loadConfig({ ...process.env, METRICS_PORT: '', WORKERS: '1' });

/** Reads and validates the environment; the only place that does. Changes nothing. Throws ConfigError with all errors found. */
export function readConfig(
  environment: NodeJS.ProcessEnv = process.env,
  envFile = '.env',
): { config: UncheckedConfig; values: Values; notices: string[] } {
  const errors: string[] = [];
  const { values: given, notices } = withAliases(withoutEmpty(environment));
  notices.push(...findTruncatedValues(envFile, environment));
  errors.push(...findBlankValues(given));
  const values = withDefaults(withSecretFiles(given, errors));
  const config = toConfig(values);
  for (const { constraints = {} } of validateSync(config)) {
    errors.push(...Object.values(constraints).map((message) => `${message}.`));
  }
  errors.push(...findConfigErrors(config), ...findAlgorithmErrors(environment));
  if (errors.length > 0) throw new ConfigError([...errors, ...notices]);
  return { config, values, notices };
}

/** The file that a secret is read from; undefined if it does not come as a file. */
export const secretFile = (name: (typeof SECRETS)[number]): string | undefined =>
  process.env[`${name}_FILE`] || undefined;

/** A setting of a replaced system, which let its operators choose. */
const findAlgorithmErrors = ({ ALGORITHM = '' }: NodeJS.ProcessEnv): string[] =>
  ['', 'HS256'].includes(ALGORITHM)
    ? []
    : ['ALGORITHM is not "HS256": remove it. Tokens are signed with HS256, or with ES256 if SIGNING_KEY is set.'];

/** Drops what is not a setting, and converts the rest as the decorators of Config say. */
function toConfig(values: Values): Config {
  const settings = listSettings().filter((name) => values[name] !== undefined);
  const plain = Object.fromEntries(settings.map((name) => [name, values[name]]));
  return plainToInstance(Config, plain, { exposeDefaultValues: true });
}

/** Compose files pass empty strings for unset variables: an empty value counts as unset. */
const withoutEmpty = (environment: NodeJS.ProcessEnv): Values =>
  Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );

/** A blank is left by a mistake in a file or a script. As a host or a folder it would be taken literally. */
const findBlankValues = (values: Values): string[] =>
  [...listSettings(), ...SECRETS.map((name) => `${name}_FILE`)]
    .filter((name) => values[name]?.trim() === '')
    .map((name) => `${name} is blank: remove it, or set it to a value.`);

/** Adds the defaults that depend on the profile or on other settings. */
function withDefaults(env: Values): Values {
  const profile = PROFILES.find((name) => name === env['NODE_ENV']) ?? 'production';
  const DATA_DIR = resolve(env['DATA_DIR'] ?? '.data');
  const defaults = profileDefaults(profile);
  const isEndless = profile !== 'production' && { ...defaults, ...env }['IDENTITY_TOKEN_TTL'] === 'never';
  return {
    ...defaults,
    COMPAT_TOKEN_TTL: isEndless ? 'never' : '1h',
    COMPAT_REGISTRATION_TOKEN_TTL: '7d',
    LOG_LEVEL: env['DEBUG']?.toLowerCase() === 'true' ? 'debug' : 'info',
    ...env,
    NODE_ENV: profile,
    DATA_DIR,
    STORAGE_DIR: resolve(env['STORAGE_DIR'] ?? join(DATA_DIR, 'uploads')),
  };
}

const profileDefaults = (profile: Profile): Values =>
  profile === 'development'
    ? { SWAGGER: 'on', IDENTITY_TOKEN_TTL: 'never', REFRESH_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never' }
    : { SWAGGER: 'off', IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' };

function withSecretFiles(env: Values, errors: string[]): Values {
  const values = { ...env };
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`];
    if (file === undefined) continue;
    if (env[name] !== undefined) errors.push(`${name} and ${name}_FILE are both set: remove one of them.`);
    try {
      const secret = readSmallFile(file).trim();
      if (secret === '') errors.push(`${name}_FILE is empty: write the secret to ${file}.`);
      else values[name] = secret;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      errors.push(`${name}_FILE cannot be read (${code}): set it to the path of a readable file.`);
    }
  }
  return values;
}

/** The keys that are created once and stored, outside production, with their files in DATA_DIR. */
export const CREATED_KEYS = {
  SECRET_KEY: 'secret-key',
  NATIONAL_ID_KEY: 'national-id-key',
  NATIONAL_ID_INDEX_KEY: 'national-id-index-key',
  CERTIFICATE_KEY: 'certificate-key.pem',
} as const;
export type CreatedKey = keyof typeof CREATED_KEYS;

/** The keys that are not set, so that sessions and stored data survive a restart. */
const readOrCreateKeys = (dataDir: string, values: Values): Values =>
  Object.fromEntries(
    Object.entries(CREATED_KEYS)
      .filter(([name]) => name !== 'CERTIFICATE_KEY' && values[name] === undefined)
      .map(([name, file]) => [name, readOrCreateKey(join(dataDir, file))]),
  );

function readOrCreateKey(file: string): string {
  const secret = readSecretFile(file);
  if (Buffer.byteLength(secret) >= 32) return secret;
  throw damaged(file);
}

/** The file of VAPID_PRIVATE_KEY. Backups leave it out: with another key, browsers subscribe again. */
const VAPID_KEY_FILE = 'vapid-key.pem';

/** The keys of certificates and of pushes, unless they are set. Production creates none: nobody would back them up. */
function createKeyPairs(config: UncheckedConfig): Values {
  const { CERTIFICATE_KEY, VAPID_PRIVATE_KEY, DATA_DIR, isProduction } = config;
  if (isProduction) return {};
  const create = (file: string, read: (pem: string) => unknown): string => createKey(join(DATA_DIR, file), read);
  return {
    ...(CERTIFICATE_KEY === undefined
      ? { CERTIFICATE_KEY: create(CREATED_KEYS.CERTIFICATE_KEY, readCertifiedKeyPair) }
      : {}),
    ...(VAPID_PRIVATE_KEY === undefined ? { VAPID_PRIVATE_KEY: create(VAPID_KEY_FILE, readKeyPair) } : {}),
  };
}

function createKey(file: string, read: (pem: string) => unknown): string {
  const key = readSecretFile(file, createKeyPair);
  try {
    read(key);
    return key;
  } catch {
    throw damaged(file);
  }
}

const damaged = (file: string): ConfigError =>
  new ConfigError([`${file} is damaged: delete it; the next start creates a new one.`]);

function readSecretFile(file: string, create?: () => string): string {
  try {
    return readOrCreateSecret(file, create);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `DATA_DIR cannot be used (${code}, ${file}): set it to a directory that this process can write to.`,
    ]);
  }
}
