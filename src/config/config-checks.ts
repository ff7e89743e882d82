import { isSafeUrl } from '../common/http-client/http-client.js';
import { type Config, databaseTls, DEFAULT_MAIL_FROM } from './config.js';
import { parseDatabaseUrl } from './database/database-connection.js';
import { type Parameters, tlsChoices } from './database/database-tls.js';

const KEYS = ['SECRET_KEY', 'NATIONAL_ID_KEY', 'NATIONAL_ID_INDEX_KEY'] as const;
type KeyName = (typeof KEYS)[number];

/** A configuration before its checks: without its secret keys, `loadConfig` creates them if the profile allows it. */
export type UncheckedConfig = Omit<Config, KeyName> & { [name in KeyName]?: string };

/** Returns one sentence for each combination of settings that is not allowed, with the correction. */
export const findConfigErrors = (config: UncheckedConfig): string[] => [
  ...findHostErrors(config),
  ...findDatabaseErrors(config),
  ...findDatabaseTlsErrors(config),
  ...findStorageErrors(config),
  ...KEYS.flatMap((name) => findKeyErrors(config, name)),
  ...findNationalIdKeyErrors(config),
  ...findExternalIdentityErrors(config),
  ...findRefreshCookieErrors(config),
  ...findMetricsErrors(config),
  ...findBusErrors(config),
  ...(config.isProduction ? findProductionErrors(config) : []),
];

/** Without PUBLIC_URL, HOST is a part of links. A blank HOST has an error of its own. */
function findHostErrors({ PUBLIC_URL, HOST, publicUrl }: UncheckedConfig): string[] {
  const isLinkable = PUBLIC_URL !== undefined || URL.canParse(publicUrl.slice(0, publicUrl.lastIndexOf(':')));
  if (HOST.trim() === '' || (isLinkable && !/\s/.test(HOST))) return [];
  return [`HOST is "${HOST}": set it to an address or a host name, without blanks.`];
}

function findDatabaseErrors(config: UncheckedConfig): string[] {
  if (config.DATABASE_URL === undefined && config.DATABASE_DIRECT_URL !== undefined) {
    return ['DATABASE_URL is missing: set it to the URL of the pooler, because DATABASE_DIRECT_URL is set.'];
  }
  const parts = [config.DB_HOST, config.DB_NAME, config.DB_USER, config.DB_PASSWORD];
  if (config.DATABASE_URL !== undefined || parts.every((part) => part === undefined)) return [];
  return (['DB_HOST', 'DB_NAME', 'DB_USER'] as const)
    .filter((name) => config[name] === undefined)
    .map(
      (name) =>
        `${name} is missing: set it together with the other DB_* variables, or set DATABASE_URL, or none of them to use the embedded database.`,
    );
}

/** DB_SSLMODE and DB_SSLROOTCERT are valid for themselves and together with the parameters of the URLs. */
function findDatabaseTlsErrors(config: UncheckedConfig): string[] {
  const tls = databaseTls(config);
  const urls = [config.DATABASE_URL, config.DATABASE_DIRECT_URL].filter((url) => url !== undefined);
  const read = config.DATABASE_URL === undefined ? () => void tlsChoices(tls) : () => parseAll(urls, tls);
  const isUsed = Object.keys(tls).length > 0 && messageOf(() => parseAll(urls)) === undefined;
  const message = isUsed ? messageOf(read) : undefined;
  return message === undefined ? [] : [`DB_SSLMODE or DB_SSLROOTCERT cannot be used: ${message}.`];
}

const parseAll = (urls: string[], defaults: Parameters = {}): void =>
  urls.forEach((url) => void parseDatabaseUrl(url, defaults));

function messageOf(read: () => void): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function findStorageErrors(config: UncheckedConfig): string[] {
  if (config.STORAGE !== 's3') return [];
  return (['S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const)
    .filter((name) => config[name] === undefined)
    .map((name) => `${name} is missing: set it, because STORAGE is "s3".`);
}

function findBusErrors({ BUS, REDIS_URL, WORKERS, METRICS_PORT, METRICS_TOKEN }: UncheckedConfig): string[] {
  const errors: string[] = [];
  if (BUS.startsWith('redis') && REDIS_URL === undefined) {
    errors.push(`REDIS_URL is missing: set it, because BUS is "${BUS}".`);
  }
  if (BUS === 'redis' && REDIS_URL?.includes(',')) {
    errors.push('REDIS_URL has several servers: set one, or set BUS to redis-cluster.');
  }
  // The client would fail at the start, without the name of the setting.
  if (BUS.startsWith('redis') && REDIS_URL !== undefined && messageOf(() => decodeURIComponent(REDIS_URL))) {
    errors.push('REDIS_URL contains "%" without two hexadecimal digits: write "%" itself as %25.');
  }
  if (WORKERS > 1 && BUS === 'memory') {
    errors.push('BUS is "memory": set it to postgres, redis or redis-cluster, because WORKERS is above 1.');
  }
  if (WORKERS > 1 && METRICS_TOKEN !== undefined && METRICS_PORT === undefined) {
    errors.push('METRICS_PORT is missing: set it, because each of several WORKERS has its own metrics.');
  }
  return errors;
}

function findRefreshCookieErrors({ REFRESH_COOKIE_SAME_SITE, ALLOWED_ORIGINS }: UncheckedConfig): string[] {
  const isUsable = ALLOWED_ORIGINS.some((origin) => origin !== '*');
  if (REFRESH_COOKIE_SAME_SITE === 'strict' || isUsable) return [];
  return [
    'REFRESH_COOKIE_SAME_SITE is "none": set ALLOWED_ORIGINS to the origins of the front ends on other sites that the cookie is for.',
  ];
}

const SET_A_RANDOM_VALUE = 'set it to a random value, for example the output of "openssl rand -base64 48"';
const EXAMPLE_SECRET =
  /change.?me|change.?this|example|insecure|placeholder|replace.?me|your.?secret|secret.?key|supersecret|password|development/i;

function findKeyErrors(config: UncheckedConfig, name: KeyName): string[] {
  const secret = config[name];
  if (secret === undefined) return config.isProduction ? [`${name} is missing: ${SET_A_RANDOM_VALUE}.`] : [];
  if (Buffer.byteLength(secret) < 32) return [`${name} is shorter than 32 bytes: ${SET_A_RANDOM_VALUE}.`];
  if (config.isProduction && (EXAMPLE_SECRET.test(secret) || new Set(secret).size < 10)) {
    return [`${name} looks like an example value: ${SET_A_RANDOM_VALUE}.`];
  }
  return [];
}

function findMetricsErrors({ PORT, METRICS_PORT, METRICS_TOKEN, WORKERS }: UncheckedConfig): string[] {
  const errors: string[] = [];
  if (METRICS_PORT !== undefined && WORKERS > 1) {
    const last = METRICS_PORT + WORKERS - 1;
    const isUsable = METRICS_PORT > 0 && last <= 65535 && !(METRICS_PORT < PORT && PORT <= last);
    // Workers that listen on one port share it, so that any of them would answer.
    if (!isUsable)
      errors.push(
        `METRICS_PORT is ${METRICS_PORT}: set it to the first of ${WORKERS} ports without PORT, one for each of the WORKERS.`,
      );
  }
  if (METRICS_PORT === PORT && PORT !== 0) {
    errors.push('METRICS_PORT equals PORT: set another port, or only METRICS_TOKEN to serve /metrics on PORT.');
  }
  if (METRICS_TOKEN !== undefined && !/^[\x21-\x7e]{32,}$/.test(METRICS_TOKEN)) {
    errors.push(`METRICS_TOKEN is not at least 32 visible ASCII characters: ${SET_A_RANDOM_VALUE}.`);
  }
  return errors;
}

/** The keys differ, so that who has one of them has no other. */
function findNationalIdKeyErrors(config: UncheckedConfig): string[] {
  const given = KEYS.filter((name) => config[name] !== undefined);
  const repeated = given.filter((name, index) => given.slice(0, index).some((other) => config[other] === config[name]));
  return [
    ...repeated.map((name) => `${name} equals another key: ${SET_A_RANDOM_VALUE}.`),
    ...(['ACCEPTED_NATIONAL_ID_KEYS', 'ACCEPTED_NATIONAL_ID_INDEX_KEYS'] as const)
      .filter((name) => config[name].some((secret) => Buffer.byteLength(secret) < 32))
      .map((name) => `${name} contains a key shorter than 32 bytes: set it to whole keys, separated by commas.`),
  ];
}

function findExternalIdentityErrors(config: UncheckedConfig): string[] {
  if (config.EXTERNAL_IDENTITY !== 'oidc') return [];
  const missing = (['OIDC_ISSUER', 'OIDC_AUDIENCE'] as const)
    .filter((name) => config[name].length === 0)
    .map((name) => `${name} is missing: set it, because EXTERNAL_IDENTITY is "oidc".`);
  const unsafe = config.OIDC_ISSUER.filter((url) => !isSafeUrl(url, config.isProduction) || /[?#]/.test(url));
  return [
    ...missing,
    ...unsafe.map(
      () =>
        `OIDC_ISSUER must be https URLs without user name, query and fragment, separated by commas; http is allowed on the loopback interface outside production only.`,
    ),
  ];
}

const LIFETIMES = [
  'IDENTITY_TOKEN_TTL',
  'REFRESH_TOKEN_TTL',
  'SESSION_MAX_AGE',
  'COMPAT_TOKEN_TTL',
  'COMPAT_REGISTRATION_TOKEN_TTL',
] as const;

/** Settings that are useful in development and unsafe in production. */
function findProductionErrors(config: UncheckedConfig): string[] {
  const endless = LIFETIMES.filter((name) => config[name] === Infinity).map(
    (name) => `${name} is "never": set it to a duration such as 15m or 7d in production.`,
  );
  const missing = Object.entries({ PUBLIC_URL: undefined, MAIL_FROM: DEFAULT_MAIL_FROM })
    .filter(([name, unset]) => config.SMTP_URL !== undefined && config[name as 'PUBLIC_URL' | 'MAIL_FROM'] === unset)
    .map(([name]) => `${name} is missing: set it, because mails need it and SMTP_URL is set.`);
  if (config.VAPID_PRIVATE_KEY !== undefined && config.VAPID_SUBJECT === undefined) {
    missing.push(
      'VAPID_SUBJECT is missing: set it to mailto: with the address of an administrator, because VAPID_PRIVATE_KEY is set.',
    );
  }
  const unsafe: [boolean, string][] = [
    [config.ALLOWED_ORIGINS.includes('*'), 'ALLOWED_ORIGINS is "*": set it to the origins of your own web sites.'],
    [
      config.EXTERNAL_IDENTITY === 'trusted-subject',
      'EXTERNAL_IDENTITY is "trusted-subject", which lets clients sign in as any user: set it to off or oidc in production.',
    ],
    [config.RATE_LIMITS === 'off', 'RATE_LIMITS is "off": set it to on in production.'],
    [config.PASSWORD_POLICY === 'off', 'PASSWORD_POLICY is "off": set it to on in production.'],
    [config.BCRYPT_COST < 10, 'BCRYPT_COST is below 10: set it to 10 or more in production (the default is 12).'],
  ];
  return [...endless, ...missing, ...unsafe.flatMap(([isUnsafe, error]) => (isUnsafe ? [error] : []))];
}
