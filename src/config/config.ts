import { plainToInstance } from 'class-transformer';
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
  validateSync,
} from 'class-validator';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { readKeyPair, readVerificationKeys } from '../common/key-pair.js';
import { readOrCreateSecret } from '../common/secret-file.js';
import { findConfigErrors } from './config-checks.js';
import {
  AsDuration,
  AsList,
  type Duration,
  IsDuration,
  IsInteger,
  isOrigin,
  isProxy,
  IsReadable,
  IsSwitch,
  postgresUrl,
  satisfies,
  smtpUrl,
} from './setting-decorators.js';

export const PROFILES = ['development', 'test', 'production'] as const;
export type Profile = (typeof PROFILES)[number];

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
  @IsInteger(1, 1_000_000) readonly MAX_REQUESTS_PER_MINUTE: number = 3000;
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
  faults.push(...findConfigErrors(config, new Config()));
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

/** Outside production a signing key is made once and kept, so that a restart signs nobody out. */
function keptKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key');
  let secret: string;
  try {
    secret = readOrCreateSecret(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `DATA_DIR cannot be used (${code}, ${file}): set it to a folder that Machi's user can write.`,
    ]);
  }
  if (Buffer.byteLength(secret) >= 32) return secret;
  throw new ConfigError([`${file} is damaged: delete it, and a new one is made.`]);
}
