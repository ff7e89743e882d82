import { IsEmail, IsIn, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import { cpus } from 'node:os';
import { AsSystems, COMPAT_SYSTEMS, type CompatSystem, isSystems } from './compat-systems.js';
import { readCertifiedKeyPair, readCertifiedKeys, readKeyPair, readVerificationKeys } from '../common/keys/key-pair.js';
import { type DatabaseConnection, parseDatabaseUrl, toConnection } from './database/database-connection.js';
import { type Parameters, SSL_MODES } from './database/database-tls.js';
import {
  AsDuration,
  AsHost,
  AsList,
  AsOrigins,
  type Duration,
  IsDuration,
  IsInteger,
  isOrigin,
  isProxy,
  IsReadable,
  IsSwitch,
  IsTrueOrFalse,
  IsUrlOf,
  parseDuration,
  satisfies,
} from './setting-decorators.js';

export const PROFILES = ['development', 'test', 'production'] as const;
export type Profile = (typeof PROFILES)[number];

const BUSES = ['memory', 'postgres', 'redis', 'redis-cluster'] as const;
export const DEFAULT_MAIL_FROM = 'machi@localhost';

/**
 * The settings, under the names of their environment variables; `.env.example` explains each one. `loadConfig` builds and
 * validates the one instance, which is frozen and can be injected everywhere. A property without an initialiser and
 * without `?` gets its default from `loadConfig`.
 */
export class Config {
  @IsIn(PROFILES) readonly NODE_ENV: Profile = 'production';
  @MaxLength(60) readonly APP_NAME: string = 'Machi';
  @IsTrueOrFalse() readonly DEBUG: 'true' | 'false' = 'false';
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) readonly LOG_LEVEL: string;
  @AsHost() @IsString() readonly HOST: string = '127.0.0.1';
  @IsInteger(0, 65535) readonly PORT: number = 5000;
  @IsOptional()
  @IsUrlOf(['http', 'https'], 'https://machi.example.org', { isBase: true })
  readonly PUBLIC_URL?: string;
  @AsOrigins()
  @satisfies(
    'isOrigins',
    'must be origins such as https://example.org, without patterns, separated by commas',
    (list) => (list as string[]).every(isOrigin),
  )
  readonly ALLOWED_ORIGINS: string[] = [];
  @IsIn(['strict', 'none']) readonly REFRESH_COOKIE_SAME_SITE: 'strict' | 'none' = 'strict';
  @IsOptional()
  @Matches(/^([a-z0-9_-]+\.)*[a-z_][a-z0-9_-]*$/, { message: '$property must be a domain in lower case' })
  readonly PASSKEY_RP_ID?: string;
  @AsList()
  @satisfies('isProxies', 'must be addresses or ranges of proxies, such as 10.0.0.0/8 or loopback', (list) =>
    (list as string[]).every(isProxy),
  )
  readonly TRUST_PROXY: string[] = [];
  @IsSwitch() readonly SWAGGER: 'on' | 'off';

  @IsString() readonly DATA_DIR: string = '.data';
  @IsOptional() @IsReadable(parseDatabaseUrl, 'cannot be used') readonly DATABASE_URL?: string;
  @IsOptional() @IsReadable(parseDatabaseUrl, 'cannot be used') readonly DATABASE_DIRECT_URL?: string;
  @IsOptional() @AsHost() @IsString() readonly DB_HOST?: string;
  @IsInteger(1, 65535) readonly DB_PORT: number = 5432;
  @IsOptional() @IsString() readonly DB_NAME?: string;
  @IsOptional() @IsString() readonly DB_USER?: string;
  @IsOptional() @IsString() readonly DB_PASSWORD?: string;
  @IsOptional() @IsIn(SSL_MODES) readonly DB_SSLMODE?: string;
  @IsOptional() @IsString() readonly DB_SSLROOTCERT?: string;
  @IsInteger(2, 500) readonly DB_POOL_SIZE: number = 20;
  @IsSwitch() readonly MIGRATE: 'on' | 'off' = 'on';

  @IsIn(['local', 's3']) readonly STORAGE: 'local' | 's3' = 'local';
  @IsString() readonly STORAGE_DIR: string;
  @IsOptional()
  @IsUrlOf(['http', 'https'], 'https://store.example.org', { isBase: true })
  readonly S3_ENDPOINT?: string;
  @IsOptional() @IsString() readonly S3_BUCKET?: string;
  @IsString() readonly S3_REGION: string = 'us-east-1';
  @IsOptional() @IsString() readonly S3_ACCESS_KEY_ID?: string;
  @IsOptional() @IsString() readonly S3_SECRET_ACCESS_KEY?: string;
  @IsTrueOrFalse() readonly S3_FORCE_PATH_STYLE: 'true' | 'false' = 'false';
  @IsIn(['pre', 'post', 'off']) readonly AVATAR_MODERATION: 'pre' | 'post' | 'off' = 'pre';

  @IsSwitch() readonly ANONYMOUS_READING: 'on' | 'off' = 'on';
  @IsSwitch() readonly PAGE_REDIRECTS: 'on' | 'off' = 'off';
  @IsIn(['off', 'first']) readonly CHAPTER_REVIEW: 'off' | 'first' = 'off';
  @IsInteger(1, 720) readonly UPLOAD_TTL_HOURS: number = 24;

  /** Optional in the environment outside production only, where `loadConfig` creates one. */
  @IsOptional() @IsString() readonly SECRET_KEY: string;
  /** Like SECRET_KEY; the keys of national ids, which are stored encrypted and found by a keyed hash. */
  @IsOptional() @IsString() readonly NATIONAL_ID_KEY: string;
  @IsOptional() @IsString() readonly NATIONAL_ID_INDEX_KEY: string;
  @AsList() @IsString({ each: true }) readonly ACCEPTED_NATIONAL_ID_KEYS: string[] = [];
  @AsList() @IsString({ each: true }) readonly ACCEPTED_NATIONAL_ID_INDEX_KEYS: string[] = [];
  @IsOptional()
  @IsReadable(
    readKeyPair,
    'must be one P-256 private key as PEM, such as "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256" makes',
  )
  readonly SIGNING_KEY?: string;
  @IsOptional()
  @IsReadable(readVerificationKeys, 'must be P-256 keys, public or private, as PEM one after the other')
  readonly ACCEPTED_SIGNING_KEYS?: string;
  @AsDuration() @IsDuration() readonly IDENTITY_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly REFRESH_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly SESSION_MAX_AGE: Duration;
  @AsDuration() @IsDuration() readonly COMPAT_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly COMPAT_REGISTRATION_TOKEN_TTL: Duration;
  @AsDuration() @IsDuration() readonly RECOVERY_QUARANTINE: Duration = parseDuration('30d');
  @AsDuration() @IsDuration() readonly AUDIT_RETENTION: Duration = parseDuration('365d');
  @Matches(/^[A-Za-z0-9._-]{3,30}$/) readonly ADMIN_USERNAME: string = 'admin';
  @IsOptional() @MinLength(1) readonly ADMIN_PASSWORD?: string;
  @IsOptional() @IsString() readonly DEFAULT_VACCINE?: string;
  @IsInteger(4, 15) readonly BCRYPT_COST: number = 12;
  @AsSystems()
  @satisfies('isSystems', `must be on, off, or some of ${COMPAT_SYSTEMS.join(', ')}, separated by commas`, isSystems)
  readonly COMPAT: readonly CompatSystem[] = COMPAT_SYSTEMS;
  @IsSwitch() readonly RATE_LIMITS: 'on' | 'off' = 'on';
  @IsInteger(1, 1_000_000) readonly MAX_REQUESTS_PER_MINUTE: number = 3000;
  @IsSwitch() readonly PASSWORD_POLICY: 'on' | 'off' = 'on';
  @IsIn(['off', 'oidc', 'trusted-subject']) readonly EXTERNAL_IDENTITY: 'off' | 'oidc' | 'trusted-subject' = 'off';
  @AsList() @IsString({ each: true }) readonly OIDC_ISSUER: string[] = [];
  @AsList() @IsString({ each: true }) readonly OIDC_AUDIENCE: string[] = [];

  @IsOptional()
  @IsUrlOf(['smtp', 'smtps'], 'smtp://user:password@host:587 or smtps://user:password@host')
  readonly SMTP_URL?: string;
  @IsEmail({ require_tld: false, allow_ip_domain: true, allow_underscores: true })
  readonly MAIL_FROM: string = DEFAULT_MAIL_FROM;
  @IsOptional()
  @Matches(/^([\w.-]+|\[[\w.:]+\])$/, { message: '$property must be a host name, or an address such as [192.0.2.1]' })
  readonly SMTP_EHLO_NAME?: string;

  @IsOptional() @IsUrlOf(['http', 'https'], 'https://sms.example.org/messages') readonly SMS_GATEWAY_URL?: string;
  @IsOptional() @IsString() readonly SMS_GATEWAY_TOKEN?: string;

  /** Without it no pushes are sent. Outside production, `loadConfig` creates one. */
  @IsOptional() @IsReadable(readKeyPair, 'must be one P-256 private key as PEM') readonly VAPID_PRIVATE_KEY?: string;
  @IsOptional()
  @Matches(/^(mailto:[^\s@:]+@[^\s@:]+|https:\/\/[^\s]+)$/, {
    message: '$property must be mailto: with an e-mail address, or an https URL',
  })
  readonly VAPID_SUBJECT?: string;

  /** Appointments can be moved and cancelled until so many minutes before their session. */
  @IsInteger(0, 10_080) readonly BOOKING_CUTOFF_MINUTES: number = 120;
  @IsInteger(1, 1000) readonly VACCINATOR_DOSES_PER_HOUR: number = 40;
  /** Without it no certificates are issued. Outside production, `loadConfig` creates one. */
  @IsOptional()
  @IsReadable(readCertifiedKeyPair, 'must be one P-256 private key as PEM, which its X.509 certificate may follow')
  readonly CERTIFICATE_KEY?: string;
  @IsOptional()
  @IsReadable(readCertifiedKeys, 'must be P-256 keys or X.509 certificates, as PEM one after the other')
  readonly ACCEPTED_CERTIFICATE_KEYS?: string;
  @IsOptional() @MaxLength(80) readonly CERTIFICATE_ISSUER?: string;
  @Matches(/^[A-Z]{2}$/, { message: '$property must be a country code of two capital letters, such as BD' })
  readonly CERTIFICATE_COUNTRY: string = 'BD';

  @IsOptional() @IsInteger(0, 65535) readonly METRICS_PORT?: number;
  @IsOptional() @IsString() readonly METRICS_TOKEN?: string;

  @IsIn(BUSES) readonly BUS: (typeof BUSES)[number] = 'memory';
  @IsInteger(1, 256) readonly WORKERS: number = 1;
  @IsOptional()
  @IsUrlOf(['redis', 'rediss'], 'redis://user:password@host:6379 or rediss://host:6379', { isList: true })
  readonly REDIS_URL?: string;

  @IsInteger(0, 3600) readonly DRAIN_SECONDS: number = 20;

  /** Sentences for the log about settings that were read in another way than the operator may expect. */
  readonly notices: readonly string[] = [];

  get isProduction(): boolean {
    return this.NODE_ENV === 'production';
  }

  /** The base of links to this server, without a trailing slash. Not taken from requests, whose headers can be forged. */
  get publicUrl(): string {
    const host = this.HOST.includes(':') ? `[${this.HOST}]` : this.HOST;
    return this.PUBLIC_URL?.replace(/\/+$/, '') ?? `http://${host}:${this.PORT}`;
  }

  /** The path of PUBLIC_URL without a trailing slash; empty if it has none. A proxy removes it from requests. */
  get basePath(): string {
    return new URL(this.publicUrl).pathname.replace(/\/+$/, '');
  }

  /** The issuer of tokens (`iss`). It differs between environments, so that none accepts the tokens of another. */
  get issuer(): string {
    return this.PUBLIC_URL ?? `urn:machi:${this.NODE_ENV}`;
  }

  /** The lifetime of identity tokens. Clients of two systems cannot refresh and get tokens of a lifetime of their own. */
  identityLifetime(system: CompatSystem | null): Duration {
    if (system === 'chatapp') return this.COMPAT_TOKEN_TTL;
    return system === 'backend-user' ? this.COMPAT_REGISTRATION_TOKEN_TTL : this.IDENTITY_TOKEN_TTL;
  }

  /** How many passwords are hashed at a time. Leaves one processor for all other requests. */
  get hashingThreads(): number {
    return Math.max(1, cpus().length - 1);
  }

  /** The configured database; undefined for the embedded one. */
  get database(): DatabaseConnection | undefined {
    if (this.DATABASE_URL !== undefined) return parseDatabaseUrl(this.DATABASE_URL, databaseTls(this));
    const { DB_HOST: host, DB_PORT: port, DB_NAME: database, DB_USER: user, DB_PASSWORD: password } = this;
    if (host === undefined || database === undefined || user === undefined) return undefined;
    return toConnection(databaseTls(this), { host, port, database, user, password });
  }

  /** The way to the database around a pooler, for what exists on one connection; undefined without a pooler. */
  get directDatabase(): DatabaseConnection | undefined {
    return this.DATABASE_DIRECT_URL === undefined
      ? undefined
      : parseDatabaseUrl(this.DATABASE_DIRECT_URL, databaseTls(this));
  }
}

/** The TLS parameters of the DB_* settings. They are also the defaults of the parameters in DATABASE_URL. */
export const databaseTls = ({
  DB_SSLMODE,
  DB_SSLROOTCERT,
}: Pick<Config, 'DB_SSLMODE' | 'DB_SSLROOTCERT'>): Parameters => ({
  ...(DB_SSLMODE === undefined ? {} : { sslmode: DB_SSLMODE }),
  ...(DB_SSLROOTCERT === undefined ? {} : { sslrootcert: DB_SSLROOTCERT }),
});
