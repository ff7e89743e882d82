import { applyDecorators } from '@nestjs/common';
import { plainToInstance, Transform } from 'class-transformer';
import {
  getMetadataStorage,
  IsEmail,
  IsIn,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  MaxLength,
  MinLength,
  ValidateBy,
  type ValidationArguments,
  validateSync,
} from 'class-validator';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { readKeyPair, readVerificationKeys } from './common/key-pair.js';
import { keptSecret } from './common/kept-secret.js';
import { isSafeUrl } from './common/outbound.js';

export const PROFILES = ['development', 'test', 'production'] as const;
export type Profile = (typeof PROFILES)[number];

/** A length of time in milliseconds; `never` is Infinity. */
export type Duration = number;

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `12h`, `7d` or `never` → milliseconds; NaN for anything else. */
export function parseDuration(text: string): Duration {
  if (text === 'never') return Infinity;
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  return count && unit ? Number(count) * UNITS[unit as keyof typeof UNITS] : NaN;
}

const satisfies = (name: string, message: string, validate: (value: unknown) => boolean): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => `$property ${message}` } });

const IsInteger = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (/^\d{1,9}$/.test(String(value)) ? Number(value) : value)),
    satisfies(
      'isInteger',
      `must be a whole number from ${min} to ${max}`,
      (value) => typeof value === 'number' && value >= min && value <= max,
    ),
  );
const AsList = (): PropertyDecorator =>
  Transform(({ value }) =>
    String(value)
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
const AsDuration = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? parseDuration(value) : value));
const IsDuration = (): PropertyDecorator =>
  satisfies(
    'isDuration',
    'must be a duration such as 90s, 15m, 12h, 7d, or never',
    (value) => typeof value === 'number' && value > 0,
  );
/** The text is read as what it will be used as; what the reader complains of ends the message. */
const IsReadable = (read: (text: string) => unknown, message: string): PropertyDecorator => {
  const complaint = (text: unknown): string | undefined => {
    try {
      return void read(text as string);
    } catch (error) {
      return (error as Error).message;
    }
  };
  const defaultMessage = (args?: ValidationArguments): string => `$property ${message}: ${complaint(args?.value)}`;
  return ValidateBy({
    name: 'isReadable',
    validator: { validate: (text) => complaint(text) === undefined, defaultMessage },
  });
};
const IsSwitch = (): PropertyDecorator => IsIn(['on', 'off']);

const isOrigin = (text: string): boolean => text === '*' || (URL.canParse(text) && new URL(text).origin === text);

const isProxy = (text: string): boolean => {
  const [address, bits, ...rest] = text.split('/');
  const version = isIP(address ?? '');
  if (version === 0) return ['loopback', 'linklocal', 'uniquelocal'].includes(text);
  return (
    rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  );
};

const postgresUrl = { protocols: ['postgres', 'postgresql'], require_tld: false, require_protocol: true };
const smtpUrl = { protocols: ['smtp', 'smtps'], require_tld: false, require_protocol: true };

export interface DatabaseConnection {
  /** A host name, or the folder of a Unix socket. */
  host: string;
  port: number;
  database: string;
  user: string;
  password?: string;
}

/**
 * All of Machi's settings, by the names they have in the environment; `.env.example` explains each one. Built once by
 * `loadConfig`, the only reader of the environment, validated and frozen; services get it injected.
 */
export class Config {
  @IsIn(PROFILES) readonly NODE_ENV: Profile = 'production';
  @MaxLength(60) readonly APP_NAME: string = 'Machi';
  @IsIn(['true', 'false']) readonly DEBUG: 'true' | 'false' = 'false';
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) readonly LOG_LEVEL: string;
  @IsString() readonly HOST: string = '127.0.0.1';
  @IsInteger(0, 65535) readonly PORT: number = 5000;
  @IsOptional()
  @IsUrl({
    protocols: ['http', 'https'],
    require_tld: false,
    require_protocol: true,
    disallow_auth: true,
    allow_query_components: false,
    allow_fragments: false,
  })
  readonly PUBLIC_URL?: string;
  @AsList()
  @satisfies('isOrigins', 'must be origins such as https://example.org, separated by commas', (list) =>
    (list as string[]).every(isOrigin),
  )
  readonly ALLOWED_ORIGINS: string[] = [];
  @IsOptional()
  @Matches(/^([a-z0-9-]+\.)*[a-z][a-z0-9-]*$/, { message: '$property must be a domain in lower case' })
  readonly PASSKEY_RP_ID?: string;
  @AsList()
  @satisfies('isProxies', 'must be addresses or ranges of proxies, such as 10.0.0.0/8 or loopback', (list) =>
    (list as string[]).every(isProxy),
  )
  readonly TRUST_PROXY: string[] = [];
  @IsSwitch() readonly SWAGGER: 'on' | 'off';

  @IsString() readonly DATA_DIR: string = '.data';
  @IsOptional()
  @IsUrl(postgresUrl, { message: '$property must look like postgres://user:password@host:5432/name' })
  readonly DATABASE_URL?: string;
  @IsOptional() @IsString() readonly DB_HOST?: string;
  @IsInteger(1, 65535) readonly DB_PORT: number = 5432;
  @IsOptional() @IsString() readonly DB_NAME?: string;
  @IsOptional() @IsString() readonly DB_USER?: string;
  @IsOptional() @IsString() readonly DB_PASSWORD?: string;
  @IsInteger(2, 500) readonly DB_POOL_SIZE: number = 20;
  @IsSwitch() readonly MIGRATE: 'on' | 'off' = 'on';

  @IsIn(['local', 's3']) readonly STORAGE: 'local' | 's3' = 'local';
  @IsOptional() @IsString() readonly STORAGE_DIR: string;
  @IsOptional()
  @IsUrl({ protocols: ['http', 'https'], require_tld: false, require_protocol: true })
  readonly S3_ENDPOINT?: string;
  @IsOptional() @IsString() readonly S3_BUCKET?: string;
  @IsString() readonly S3_REGION: string = 'us-east-1';
  @IsOptional() @IsString() readonly S3_ACCESS_KEY_ID?: string;
  @IsOptional() @IsString() readonly S3_SECRET_ACCESS_KEY?: string;
  @IsIn(['true', 'false']) readonly S3_FORCE_PATH_STYLE: 'true' | 'false' = 'false';
  @IsIn(['pre', 'post', 'off']) readonly AVATAR_MODERATION: 'pre' | 'post' | 'off' = 'pre';

  @IsOptional() @IsString() readonly SECRET_KEY: string;
  @IsOptional()
  @IsReadable(
    readKeyPair,
    'must be one private key, Ed25519 or P-256, as PEM, such as "openssl genpkey -algorithm ed25519" makes',
  )
  readonly SIGNING_KEY?: string;
  @IsOptional()
  @IsReadable(readVerificationKeys, 'must be keys, Ed25519 or P-256, public or private, as PEM one after the other')
  readonly ACCEPTED_SIGNING_KEYS?: string;
  @AsDuration() @IsDuration() readonly IDENTITY_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly REFRESH_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly SESSION_MAX_AGE: Duration;
  @Matches(/^[A-Za-z0-9._-]{3,30}$/) readonly ADMIN_USERNAME: string = 'admin';
  @IsOptional() @MinLength(1) readonly ADMIN_PASSWORD?: string;
  @IsInteger(4, 15) readonly BCRYPT_COST: number = 12;
  @IsSwitch() readonly COMPAT: 'on' | 'off' = 'on';
  @IsSwitch() readonly RATE_LIMITS: 'on' | 'off' = 'on';
  @IsSwitch() readonly PASSWORD_POLICY: 'on' | 'off' = 'on';
  @IsIn(['off', 'oidc', 'trusted-subject']) readonly EXTERNAL_IDENTITY: 'off' | 'oidc' | 'trusted-subject' = 'off';
  @AsList() @IsString({ each: true }) readonly OIDC_ISSUER: string[] = [];
  @AsList() @IsString({ each: true }) readonly OIDC_AUDIENCE: string[] = [];

  @IsOptional()
  @IsUrl(smtpUrl, { message: '$property must look like smtp://user:password@host:587 or smtps://user:password@host' })
  readonly SMTP_URL?: string;
  @IsEmail({ require_tld: false }) readonly MAIL_FROM: string = 'machi@localhost';

  @IsInteger(0, 3600) readonly DRAIN_SECONDS: number = 20;

  get isProduction(): boolean {
    return this.NODE_ENV === 'production';
  }

  /** Where links to Machi begin, without a slash at the end. Never from a request: its headers are anybody's. */
  get publicUrl(): string {
    const host = this.HOST.includes(':') ? `[${this.HOST}]` : this.HOST;
    return this.PUBLIC_URL?.replace(/\/+$/, '') ?? `http://${host}:${this.PORT}`;
  }

  /** Who signs tokens (`iss`); it differs between environments, so that one's tokens mean nothing to another. */
  get issuer(): string {
    return this.PUBLIC_URL ?? `urn:machi:${this.NODE_ENV}`;
  }

  /** How many passwords are hashed at once: all processors but one, which answers everybody else. */
  get hashingThreads(): number {
    return Math.max(1, cpus().length - 1);
  }

  /** The configured database; undefined means the embedded one. */
  get database(): DatabaseConnection | undefined {
    if (this.DATABASE_URL !== undefined) return fromUrl(new URL(this.DATABASE_URL));
    if (this.DB_HOST === undefined || this.DB_NAME === undefined || this.DB_USER === undefined) return undefined;
    return {
      host: this.DB_HOST,
      port: this.DB_PORT,
      database: this.DB_NAME,
      user: this.DB_USER,
      password: this.DB_PASSWORD,
    };
  }
}

function fromUrl(url: URL): DatabaseConnection {
  const user = decodeURIComponent(url.username);
  return {
    host: url.searchParams.get('host') ?? url.hostname,
    port: Number(url.port || 5432),
    user,
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || user,
  };
}

/** The variables Machi reads; any of the secrets may come as a file, named by the same variable with `_FILE`. */
export const SECRETS = [
  'SECRET_KEY',
  'SIGNING_KEY',
  'ACCEPTED_SIGNING_KEYS',
  'DATABASE_URL',
  'DB_PASSWORD',
  'ADMIN_PASSWORD',
  'SMTP_URL',
  'S3_SECRET_ACCESS_KEY',
] as const;

const profileDefaults = (profile: Profile): Record<string, string> => ({
  LOG_LEVEL: 'info',
  SWAGGER: profile === 'development' ? 'on' : 'off',
  IDENTITY_TOKEN_TTL: profile === 'development' ? 'never' : '15m',
  REFRESH_TOKEN_TTL: profile === 'development' ? 'never' : '7d',
  SESSION_MAX_AGE: profile === 'development' ? 'never' : '30d',
});

/** Every fault of the environment at once, each naming its variable and the mend. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(`Machi cannot start with this configuration:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const faults: string[] = [];
  const env = withSecretFiles(definedOnly(environment), faults);
  const profile = PROFILES.find((name) => name === env['NODE_ENV']) ?? 'production';
  const known = {
    ...profileDefaults(profile),
    ...(env['DEBUG'] === 'true' ? { LOG_LEVEL: 'debug' } : {}),
    ...env,
    NODE_ENV: profile,
  };
  const config = plainToInstance(Config, onlyKnown(known), { exposeDefaultValues: true });
  for (const error of validateSync(config))
    faults.push(...Object.values(error.constraints ?? {}).map((text) => `${text}.`));
  faults.push(
    ...databaseFaults(config),
    ...storageFaults(config),
    ...secretFaults(config),
    ...externalIdentityFaults(config),
    ...(config.isProduction ? productionFaults(config) : []),
  );
  if (faults.length > 0) throw new ConfigError(faults);
  const settled = {
    DATA_DIR: resolve(config.DATA_DIR),
    STORAGE_DIR: resolve(config.STORAGE_DIR ?? join(config.DATA_DIR, 'uploads')),
    SECRET_KEY: config.SECRET_KEY ?? keptKey(resolve(config.DATA_DIR)),
  };
  return Object.freeze(Object.assign(config, settled));
}

/** Compose files hand over empty strings for what is not set: an empty variable counts as none. */
const definedOnly = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );

/** Names of all settings: every one carries a validation rule. */
export const SETTINGS = (): (keyof Config)[] => [
  ...new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(Config, '', false, false)
      .map((rule) => rule.propertyName as keyof Config),
  ),
];

const onlyKnown = (env: Record<string, string>): Record<string, string> =>
  Object.fromEntries(SETTINGS().flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));

function withSecretFiles(env: Record<string, string>, faults: string[]): Record<string, string> {
  const values = { ...env };
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`];
    if (file === undefined) continue;
    if (env[name] !== undefined) faults.push(`${name} and ${name}_FILE are both set: keep one of them.`);
    try {
      const secret = readFileSync(file, 'utf8').trim();
      if (secret === '') faults.push(`${name}_FILE is empty: put the secret into ${file}.`);
      else values[name] = secret;
    } catch (error) {
      faults.push(
        `${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code}): give the path of a readable file.`,
      );
    }
  }
  return values;
}

function databaseFaults(config: Config): string[] {
  const parts = [config.DB_HOST, config.DB_NAME, config.DB_USER, config.DB_PASSWORD];
  if (config.DATABASE_URL !== undefined || parts.every((part) => part === undefined)) return [];
  return (['DB_HOST', 'DB_NAME', 'DB_USER'] as const)
    .filter((name) => config[name] === undefined)
    .map(
      (name) =>
        `${name} is missing: set it beside the other DB_* variables, or set DATABASE_URL, or none of them for the embedded database.`,
    );
}

function storageFaults(config: Config): string[] {
  if (config.STORAGE !== 's3') return [];
  return (['S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const)
    .filter((name) => config[name] === undefined)
    .map((name) => `${name} is missing: STORAGE is "s3", which needs it.`);
}

const MEND = 'set it to a random value, for example from "openssl rand -base64 48"';
const EXAMPLE_SECRET =
  /change.?me|change.?this|example|insecure|placeholder|replace.?me|your.?secret|secret.?key|supersecret|password|development/i;

function secretFaults(config: Config): string[] {
  const secret = config.SECRET_KEY;
  if (secret === undefined) return config.isProduction ? [`SECRET_KEY is missing: ${MEND}.`] : [];
  if (Buffer.byteLength(secret) < 32) return [`SECRET_KEY is shorter than 32 bytes: ${MEND}.`];
  if (config.isProduction && (EXAMPLE_SECRET.test(secret) || new Set(secret).size < 10)) {
    return [`SECRET_KEY looks like a value from an example: ${MEND}.`];
  }
  return [];
}

function externalIdentityFaults({ EXTERNAL_IDENTITY, OIDC_ISSUER, OIDC_AUDIENCE, isProduction }: Config): string[] {
  if (EXTERNAL_IDENTITY !== 'oidc') return [];
  const missing = Object.entries({ OIDC_ISSUER, OIDC_AUDIENCE })
    .filter(([, list]) => list.length === 0)
    .map(([name]) => `${name} is missing: EXTERNAL_IDENTITY "oidc" needs it.`);
  const wrong = OIDC_ISSUER.filter((url) => !isSafeUrl(url, isProduction) || /[?#]/.test(url));
  return [
    ...missing,
    ...wrong.map(() => 'OIDC_ISSUER must be https URLs without a query, separated by commas; http only on the loopback interface outside of production.'), // prettier-ignore
  ];
}

/** What is convenient elsewhere and a hole in production. */
function productionFaults(config: Config): string[] {
  const lifetimes = (['IDENTITY_TOKEN_TTL', 'REFRESH_TOKEN_TTL', 'SESSION_MAX_AGE'] as const)
    .filter((name) => config[name] === Infinity)
    .map((name) => `${name} is "never": set a lifetime such as 15m or 7d in production.`);
  const others: [boolean, string][] = [
    [config.ALLOWED_ORIGINS.includes('*'), 'ALLOWED_ORIGINS is "*": name the origins of your own sites in production.'],
    [
      config.EXTERNAL_IDENTITY === 'trusted-subject',
      'EXTERNAL_IDENTITY is "trusted-subject", which lets anyone be anyone: set it to off or oidc in production.',
    ],
    [config.RATE_LIMITS === 'off', 'RATE_LIMITS is "off": set it to on in production.'],
    [config.PASSWORD_POLICY === 'off', 'PASSWORD_POLICY is "off": set it to on in production.'],
    [config.BCRYPT_COST < 10, 'BCRYPT_COST is below 10: set it to 10 or more in production (12 is the default).'],
  ];
  const forMail = (['PUBLIC_URL', 'MAIL_FROM'] as const)
    .filter((name) => config.SMTP_URL !== undefined && config[name] === new Config()[name])
    .map((name) => `${name} is missing: mails need it, so set it beside SMTP_URL.`);
  return [...lifetimes, ...forMail, ...others.flatMap(([wrong, fault]) => (wrong ? [fault] : []))];
}

/** Outside production a signing key is made once and kept, so that a restart signs nobody out. */
function keptKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key');
  let secret: string;
  try {
    secret = keptSecret(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `DATA_DIR cannot be used (${code}, ${file}): set it to a folder that Machi's user can write.`,
    ]);
  }
  if (Buffer.byteLength(secret) >= 32) return secret;
  throw new ConfigError([`${file} is damaged: delete it, and a new one is made.`]);
}
