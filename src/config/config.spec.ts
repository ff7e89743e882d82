import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../common/version.js';
import type { ConfigError } from './config-error.js';
import type { Config } from './config.js';
import { listSettings, loadConfig, SECRETS } from './load-config.js';
import { parseDuration } from './setting-decorators.js';

const SECRET_KEY = randomBytes(32).toString('base64url');
const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const SIGNING_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8) as string;
const production = { NODE_ENV: 'production', SECRET_KEY };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'machi-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function findConfigErrors(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    return (error as ConfigError).errors;
  }
}

describe('parseDuration', () => {
  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['never', Infinity],
  ])('reads %s as %d milliseconds', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '0m', '15', 'm', '15 m', '-1d', '1.5h', '1w', '15M', 'NEVER', '1e3s'])('returns NaN for %j', (text) => {
    expect(parseDuration(text)).toBeNaN();
  });
});

describe('the profile', () => {
  it.each([
    [{}, 'production'],
    [{ NODE_ENV: 'staging' }, 'production'],
    [{ NODE_ENV: 'Development' }, 'production'],
    [{ NODE_ENV: 'test' }, 'test'],
    [{ NODE_ENV: 'development' }, 'development'],
  ])('of %j is %s', (env, profile) => expect(loadConfig({ SECRET_KEY, ...env }).NODE_ENV).toBe(profile));

  it('decides over lifetimes and Swagger UI', () => {
    const lifetimes = ({ IDENTITY_TOKEN_TTL, REFRESH_TOKEN_TTL, SESSION_MAX_AGE, SWAGGER }: Config) => [
      IDENTITY_TOKEN_TTL,
      REFRESH_TOKEN_TTL,
      SESSION_MAX_AGE,
      SWAGGER,
    ];
    const day = 86_400_000;
    expect(lifetimes(loadConfig(production))).toEqual([900_000, 7 * day, 30 * day, 'off']);
    expect(lifetimes(loadConfig({ NODE_ENV: 'development', SECRET_KEY }))).toEqual([
      Infinity,
      Infinity,
      Infinity,
      'on',
    ]);
    expect(lifetimes(loadConfig({ NODE_ENV: 'test', SECRET_KEY, IDENTITY_TOKEN_TTL: '2s' }))[0]).toBe(2000);
  });
});

describe('COMPAT', () => {
  const systems = (COMPAT: string) => loadConfig({ SECRET_KEY, COMPAT }).COMPAT;

  it('is a list of systems, "on" for all and "off" for none', () => {
    expect(systems('on')).toEqual(['kanjiku', 'kitsu', 'chatapp', 'tmtar', 'backend-user']);
    expect(systems('')).toEqual(systems('on'));
    expect(systems('off')).toEqual([]);
    expect(systems('tmtar')).toEqual(['tmtar']);
    expect(systems(' kitsu , chatapp ')).toEqual(['kitsu', 'chatapp']);
  });

  it.each(['none', 'true', 'kitsu,unknown', 'kitsu,', 'on,kitsu', 'Kitsu', 'kitsu chatapp', ','])(
    'refuses %j with the names that exist',
    (value) => {
      expect(findConfigErrors({ SECRET_KEY, COMPAT: value })).toEqual([
        'COMPAT must be on, off, or some of kanjiku, kitsu, chatapp, tmtar, backend-user, separated by commas.',
      ]);
    },
  );
});

describe('the lifetimes of tokens of compatibility routes', () => {
  const lifetimes = (env: Record<string, string>) => {
    const { COMPAT_TOKEN_TTL, COMPAT_REGISTRATION_TOKEN_TTL } = loadConfig({ SECRET_KEY, ...env });
    return [COMPAT_TOKEN_TTL, COMPAT_REGISTRATION_TOKEN_TTL];
  };
  const [hour, day] = [3_600_000, 86_400_000];

  it('are one hour and seven days, and the first is never where identity tokens never expire', () => {
    expect(lifetimes({ NODE_ENV: 'test', IDENTITY_TOKEN_TTL: '15s' })).toEqual([hour, 7 * day]);
    expect(lifetimes({ NODE_ENV: 'development' })).toEqual([Infinity, 7 * day]);
    expect(lifetimes({ NODE_ENV: 'development', COMPAT_TOKEN_TTL: '5m' })[0]).toBe(300_000);
  });
});

describe('production', () => {
  it.each<[string, Record<string, string>]>([
    ['SECRET_KEY', { SECRET_KEY: '' }],
    ['SECRET_KEY', { SECRET_KEY: SECRET_KEY.slice(0, 31) }],
    ['SECRET_KEY', { SECRET_KEY: 'change-me-change-me-change-me-change-me' }],
    ['SECRET_KEY', { SECRET_KEY: 'this-is-an-example-9f8e7d6c5b4a3210' }],
    ['SECRET_KEY', { SECRET_KEY: 'a'.repeat(64) }],
    ['IDENTITY_TOKEN_TTL', { IDENTITY_TOKEN_TTL: 'never' }],
    ['REFRESH_TOKEN_TTL', { REFRESH_TOKEN_TTL: 'never' }],
    ['SESSION_MAX_AGE', { SESSION_MAX_AGE: 'never' }],
    ['COMPAT_TOKEN_TTL', { COMPAT_TOKEN_TTL: 'never' }],
    ['COMPAT_REGISTRATION_TOKEN_TTL', { COMPAT_REGISTRATION_TOKEN_TTL: 'never' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'https://a.example,*' }],
    ['EXTERNAL_IDENTITY', { EXTERNAL_IDENTITY: 'trusted-subject' }],
    ['PASSWORD_POLICY', { PASSWORD_POLICY: 'off' }],
    ['BCRYPT_COST', { BCRYPT_COST: '9' }],
    ['PUBLIC_URL', { SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'machi@example.org' }],
    ['MAIL_FROM', { SMTP_URL: 'smtp://mail.example', PUBLIC_URL: 'https://machi.example.org' }],
  ])('refuses the setting %s in %j, and test accepts it', (name, env) => {
    const errors = findConfigErrors({ ...production, ...env });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(name);
    expect(findConfigErrors({ ...production, ...env, NODE_ENV: 'test', SECRET_KEY })).toEqual([]);
  });

  it('accepts a configuration without errors', () => expect(findConfigErrors(production)).toEqual([]));
});

describe('every profile', () => {
  it.each<[string, Record<string, string>]>([
    ['SECRET_KEY', { SECRET_KEY: 'short' }],
    ['PORT', { PORT: '65536' }],
    ['PORT', { PORT: '0x50' }],
    ['DB_POOL_SIZE', { DB_POOL_SIZE: '1' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://x' }],
    ['DB_NAME', { DB_HOST: 'db', DB_USER: 'u' }],
    ['DB_HOST', { DB_PASSWORD: 'x', DB_NAME: 'n', DB_USER: 'u' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'https://a.example/path' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'https://*.example.org' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'capacitor://' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'null' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://user:word@a.example' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://a.example?x=1' }],
    ['SMTP_EHLO_NAME', { SMTP_EHLO_NAME: 'a b' }],
    ['ALGORITHM', { ALGORITHM: 'RS256' }],
    ['ALGORITHM', { ALGORITHM: 'none' }],
    ['IDENTITY_TOKEN_TTL', { ACCESS_TOKEN_EXPIRE_MINUTES: '15m' }],
    ['JWTSECRET is read as SECRET_KEY', { SECRET_KEY: '', JWTSECRET: 'short' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'a.example' }],
    ['SMTP_URL', { SMTP_URL: 'http://mail.example' }],
    ['SMTP_URL', { SMTP_URL: 'mail.example' }],
    ['MAIL_FROM', { MAIL_FROM: 'Machi <machi@example.org>' }],
    ['MAIL_FROM', { MAIL_FROM: 'machi@example.org\r\nBcc: all@example.org' }],
    ['TRUST_PROXY', { TRUST_PROXY: 'true' }],
    ['TRUST_PROXY', { TRUST_PROXY: '10.0.0.0/33' }],
    ['IDENTITY_TOKEN_TTL', { IDENTITY_TOKEN_TTL: '15' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['DEBUG', { DEBUG: 'yes' }],
    ['SECRET_KEY_FILE', { SECRET_KEY_FILE: '/nowhere/at/all' }],
    ['ADMIN_USERNAME', { ADMIN_USERNAME: 'a b' }],
  ])('refuses the setting %s in %j', (name, env) => {
    const errors = findConfigErrors({ NODE_ENV: 'test', SECRET_KEY, ...env });
    expect(errors.join()).toContain(name);
  });

  it('reports all errors at once', () => {
    expect(findConfigErrors({ NODE_ENV: 'production', PORT: 'x', IDENTITY_TOKEN_TTL: 'never' })).toHaveLength(3);
  });
});

describe('signing keys', () => {
  const spki = { type: 'spki', format: 'pem' } as const;
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
  const p256 = ec('P-256');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const fault = (env: Record<string, string>) => findConfigErrors({ ...production, ...env }).join('\n');

  it('may be P-256 keys', () => {
    expect(findConfigErrors({ ...production, SIGNING_KEY, ACCEPTED_SIGNING_KEYS: SIGNING_KEY })).toEqual([]);
  });

  it('may be several, with public ones among the accepted ones', () => {
    const ACCEPTED_SIGNING_KEYS = [SIGNING_KEY, p256.publicKey.export(spki)].join('\n');
    expect(findConfigErrors({ ...production, ACCEPTED_SIGNING_KEYS })).toEqual([]);
  });

  it.each<[string, string, string | Buffer]>([
    ['SIGNING_KEY', 'of the kind rsa', rsa.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind secp384r1', ec('P-384').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind secp256k1', ec('secp256k1').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind ed25519', generateKeyPairSync('ed25519').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind x25519', generateKeyPairSync('x25519').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'encrypted', p256.privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' })],
    ['SIGNING_KEY', 'public', p256.publicKey.export(spki)],
    ['SIGNING_KEY', 'EC PRIVATE KEY', ec('P-256').privateKey.export({ type: 'sec1', format: 'pem' })],
    ['SIGNING_KEY', 'several', SIGNING_KEY + SIGNING_KEY],
    ['SIGNING_KEY', 'damaged', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['SIGNING_KEY', 'not PEM', SIGNING_KEY.slice(0, -10)],
    ['SIGNING_KEY', 'not PEM', randomBytes(32).toString('hex')],
    ['ACCEPTED_SIGNING_KEYS', 'of the kind rsa', SIGNING_KEY + (rsa.export(pkcs8) as string)],
    [
      'ACCEPTED_SIGNING_KEYS',
      'encrypted',
      p256.privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' }),
    ],
    ['ACCEPTED_SIGNING_KEYS', 'not PEM', SIGNING_KEY + SIGNING_KEY.slice(0, -10)],
  ])('%s refuses a key and names the reason "%s" without showing the key', (name, why, pem) => {
    expect(findConfigErrors({ ...production, [name]: String(pem) })).toHaveLength(1);
    expect(fault({ [name]: String(pem) })).toMatch(new RegExp(`^${name} must be .*${why}`));
    expect(fault({ [name]: String(pem) })).not.toContain(String(pem).split('\n')[1]);
  });
});

describe('EXTERNAL_IDENTITY=oidc', () => {
  const errors = (NODE_ENV: string, OIDC_ISSUER: string, OIDC_AUDIENCE = 'machi') =>
    findConfigErrors({ ...production, NODE_ENV, EXTERNAL_IDENTITY: 'oidc', OIDC_ISSUER, OIDC_AUDIENCE });

  it('needs an issuer and an audience', () => {
    expect(errors('production', '', '').join()).toMatch(/OIDC_ISSUER is missing.*OIDC_AUDIENCE is missing/);
    expect(findConfigErrors({ ...production, EXTERNAL_IDENTITY: 'off' })).toEqual([]);
  });

  it('accepts several issuers and audiences', () => {
    const env = {
      EXTERNAL_IDENTITY: 'oidc',
      OIDC_ISSUER: 'https://a.example, https://b.example/x',
      OIDC_AUDIENCE: 'm,n',
    };
    const { OIDC_ISSUER, OIDC_AUDIENCE } = loadConfig({ ...production, ...env });
    expect([OIDC_ISSUER, OIDC_AUDIENCE]).toEqual([
      ['https://a.example', 'https://b.example/x'],
      ['m', 'n'],
    ]);
  });

  it.each(['http://127.0.0.1:4000', 'http://localhost', 'http://[::1]:4000/realm'])(
    'accepts the issuer %s outside production only',
    (url) => {
      expect(errors('test', url)).toEqual([]);
      expect(errors('production', url).join()).toContain('OIDC_ISSUER must be https');
    },
  );

  it.each([
    'http://id.example',
    'http://127.0.0.1.example',
    'http://10.0.0.1',
    'ftp://id.example',
    'file:///etc/passwd',
    'id.example',
    'https://user:password@id.example',
    'https://id.example?x=1',
    'https://id.example#x',
    'https://id.example,http://id.example',
  ])('accepts the issuer %s in no profile', (url) => {
    for (const profile of ['test', 'production']) expect(errors(profile, url)).toHaveLength(1);
  });
});

describe('the database', () => {
  const database = (env: Record<string, string>) => loadConfig({ ...production, ...env }).database;

  it('is embedded by default', () => expect(database({})).toBeUndefined());

  it('comes from DATABASE_URL', () => {
    expect(database({ DATABASE_URL: 'postgres://us%40er:p%2Fw@db.example:6432/na%20me' })).toMatchObject({
      host: 'db.example',
      port: 6432,
      user: 'us@er',
      password: 'p/w',
      database: 'na me',
    });
  });

  it.each<[url: string, host: string, rest?: object]>([
    ['postgresql://u@localhost/n?host=/run/postgresql', '/run/postgresql', { ssl: false }],
    ['postgres://u:p@/n?host=/run/postgresql', '/run/postgresql', { user: 'u', password: 'p', database: 'n' }],
    ['postgres:///n?host=/run/postgresql&user=u', '/run/postgresql', { user: 'u', database: 'n' }],
    ['postgres://%2Frun%2Fpostgresql/n?user=u', '/run/postgresql', { ssl: false }],
    ['postgres://u:p@[::1]:5433/n', '::1', { port: 5433 }],
    ['postgres://u:p@machi_db:5433/n', 'machi_db', { port: 5433 }],
    ['postgresql+asyncpg://u:p@db/n', 'db', { port: 5432 }],
    ['postgresql+psycopg2://u:p@db/n', 'db', { database: 'n' }],
    ['postgres://u:p+q@db?password=a+b', 'db', { database: 'u', password: 'a+b' }],
    [
      'postgres://u@db/n?application_name=x&connect_timeout=7&options=-c%20a%3Db',
      'db',
      {
        settings: { application_name: 'x', connectionTimeoutMillis: 7000, options: '-c a=b' },
      },
    ],
    ['postgres://u@db/n?target_session_attrs=read-write', 'db', { sessionAttributes: 'read-write' }],
    [
      'postgres://u@db/n?gssencmode=disable&client_encoding=UTF8&channel_binding=prefer',
      'db',
      {
        settings: { enableChannelBinding: true },
      },
    ],
  ])('%s leads to %s', (DATABASE_URL, host, rest = {}) => {
    expect(database({ DATABASE_URL })).toMatchObject({ host, ...rest });
  });

  it.each([
    ['postgres://u:p@db/n?sslmod=require', 'sslmod'],
    ['postgres://u:p@db/n?pool_timeout=3&schema=x', 'pool_timeout, schema'],
    ['postgres://u:p@db/n?sslmode=no-verify', 'sslmode must be one of'],
    ['postgres://u:p@db/n?sslmode=verify-ca', 'sslrootcert'],
    ['postgres://u:p@db/n?sslmode=require&sslrootcert=/nowhere/at/all', 'sslrootcert cannot be read (ENOENT)'],
    ['postgres://u:p@db/n?sslrootcert=system&sslmode=require', 'verify-full'],
    ['postgres://u:p@db/n?sslcert=/x', 'sslkey'],
    ['postgres://u:p@db/n?sslnegotiation=direct&sslmode=prefer', 'sslnegotiation'],
    ['postgres://u:p@db/n?channel_binding=require', 'channel_binding'],
    ['postgres://u:p@db/n?client_encoding=LATIN1', 'client_encoding'],
    ['postgres://u:p@db/n?connect_timeout=soon', 'connect_timeout'],
    ['postgres://u:p@db/n?target_session_attrs=write', 'target_session_attrs'],
    ['postgres://u:p@db/n?constructor=x&__proto__=y', 'constructor, __proto__'],
    ['postgres://u:p@one,two/n', 'several hosts'],
    ['postgres://u:p@db/n?host=one,two', 'several hosts'],
    ['postgres://u:secret#1@db/n', '%23'],
    ['postgres://u:secret%@db/n', '%25'],
    ['postgres://u:p@db:0/n', 'port'],
    ['postgres://u:p@db:99999/n', 'postgres://user:password@host:5432/name'],
    ['postgres+x y://u:p@db/n', 'postgres://user:password@host:5432/name'],
  ])('%s is refused, and the sentence contains %j and no secret', (DATABASE_URL, part) => {
    const errors = findConfigErrors({ ...production, DATABASE_URL });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/^DATABASE_URL cannot be used: /);
    expect(errors[0]).toContain(part);
    expect(errors[0]).not.toContain('secret');
  });

  it.each([
    [{ DB_SSLMODE: 'verify-ca' }, 'sslrootcert'],
    [{ DB_SSLMODE: 'sometimes' }, 'DB_SSLMODE'],
    [{ DB_SSLROOTCERT: '/nowhere/at/all' }, 'ENOENT'],
  ])('%j is refused', (env, part) => {
    const parts = { DB_HOST: 'db', DB_NAME: 'n', DB_USER: 'u', DB_PASSWORD: 'p' };
    expect(findConfigErrors({ ...production, ...parts, ...env }).join()).toContain(part);
    expect(findConfigErrors({ ...production, DATABASE_URL: 'postgres://u@db/n', ...env }).join()).toContain(part);
  });

  it('comes from the DB_* settings without DATABASE_URL', () => {
    const parts = { DB_HOST: 'db', DB_NAME: 'n', DB_USER: 'u', DB_PASSWORD: 'p', DB_SSLMODE: 'disable' };
    const expected = { host: 'db', port: 5432, database: 'n', user: 'u', password: 'p', ssl: false };
    expect(database(parts)).toMatchObject(expected);
    expect(database({ ...parts, DB_HOST: '[::1]' })?.host).toBe('::1');
    expect(database({ ...parts, DATABASE_URL: 'postgres://u@db/n' })).toMatchObject({ ssl: false });
    expect(database({ ...parts, DATABASE_URL: 'postgres://u@db/n?sslmode=require' })?.ssl).toBeTruthy();
  });
});

describe('hosts', () => {
  const load = (env: Record<string, string>): Config => loadConfig({ NODE_ENV: 'test', SECRET_KEY, ...env });

  it.each([
    ['PUBLIC_URL', 'http://[::1]:5000'],
    ['PUBLIC_URL', 'http://machi_api:5000'],
    ['S3_ENDPOINT', 'http://[::1]:9000'],
    ['S3_ENDPOINT', 'http://object_store:9000'],
    ['SMTP_URL', 'smtp://user:word@[::1]:2525'],
    ['SMTP_URL', 'smtps://user:word@mail_relay'],
    ['MAIL_FROM', 'machi@mail_relay.example.org'],
    ['MAIL_FROM', 'machi@[192.0.2.1]'],
    ['PASSKEY_RP_ID', 'machi_api.example.org'],
  ])('%s may be %s', (name, value) => expect(load({ [name]: value })[name as keyof Config]).toBe(value));

  it('HOST and OIDC_ISSUER may be IPv6 addresses', () => {
    expect(load({ HOST: '[::1]', PORT: '80' })).toMatchObject({ HOST: '::1', publicUrl: 'http://[::1]:80' });
    expect(load({ EXTERNAL_IDENTITY: 'oidc', OIDC_AUDIENCE: 'm', OIDC_ISSUER: 'http://[::1]:80' }).OIDC_ISSUER).toEqual(
      ['http://[::1]:80'],
    );
  });

  it.each([
    ['https://a.example/', 'https://a.example'],
    ['HTTPS://A.example:443', 'https://a.example'],
    ['capacitor://localhost', 'capacitor://localhost'],
    ['http://front_end:8080//', 'http://front_end:8080'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ])('ALLOWED_ORIGINS=%s is the origin %s', (ALLOWED_ORIGINS, origin) => {
    expect(load({ ALLOWED_ORIGINS }).ALLOWED_ORIGINS).toEqual([origin]);
  });

  it.each([
    ['https://example.org/machi', '/machi'],
    ['https://example.org/machi/', '/machi'],
    ['https://example.org/', ''],
    ['https://example.org', ''],
  ])('the base path of %s is %j', (PUBLIC_URL, path) => expect(load({ PUBLIC_URL }).basePath).toBe(path));
});

describe('settings of the replaced systems', () => {
  const load = (env: Record<string, string>): Config => loadConfig({ NODE_ENV: 'test', ...env });

  it.each<[Record<string, string>, Partial<Config>, string]>([
    [
      { SECRET_KEY, ACCESS_TOKEN_EXPIRE_MINUTES: '30' },
      { IDENTITY_TOKEN_TTL: 1_800_000 },
      'ACCESS_TOKEN_EXPIRE_MINUTES',
    ],
    [
      { SECRET_KEY, REFRESH_TOKEN_EXPIRE_DAYS: '14' },
      { REFRESH_TOKEN_TTL: 1_209_600_000 },
      'REFRESH_TOKEN_EXPIRE_DAYS',
    ],
    [{ JWTSECRET: SECRET_KEY }, { SECRET_KEY }, 'JWTSECRET'],
    [{ SECRET_TOKEN: SECRET_KEY }, { SECRET_KEY }, 'SECRET_TOKEN'],
    [
      { SECRET_KEY, CORS_ALLOW_ORIGIN: 'https://a.example' },
      { ALLOWED_ORIGINS: ['https://a.example'] },
      'CORS_ALLOW_ORIGIN',
    ],
  ])('%j is read under our name, with one notice that contains no value', (env, expected, name) => {
    const config = load(env);
    expect(config).toMatchObject(expected);
    expect(config.notices).toEqual([expect.stringMatching(new RegExp(`^${name} is read as \\w+: rename it\\.$`))]);
  });

  it('give way to our names', () => {
    const config = load({ SECRET_KEY, SECRET_TOKEN: 'x', ACCESS_TOKEN_EXPIRE_MINUTES: '30', IDENTITY_TOKEN_TTL: '2m' });
    expect(config).toMatchObject({ SECRET_KEY, IDENTITY_TOKEN_TTL: 120_000 });
    expect(config.notices).toHaveLength(2);
    for (const notice of config.notices) expect(notice).toMatch(/is ignored, because \w+ is set/);
  });

  it('JWTSECRET may come as a file', () => {
    const file = join(folder, 'jwt-secret');
    writeFileSync(file, SECRET_KEY);
    expect(load({ JWTSECRET_FILE: file }).SECRET_KEY).toBe(SECRET_KEY);
  });

  it.each(['True', 'true', 'TRUE'])('DEBUG=%s sets the log level', (DEBUG) => {
    expect(load({ SECRET_KEY, DEBUG })).toMatchObject({ DEBUG: 'true', LOG_LEVEL: 'debug' });
    expect(load({ SECRET_KEY, DEBUG: 'False', ALGORITHM: 'HS256' }).LOG_LEVEL).toBe('info');
  });
});

describe('an environment file', () => {
  const notices = (line: string, environment: Record<string, string>): readonly string[] => {
    const file = join(folder, 'env');
    writeFileSync(file, `# a comment\nAPP_NAME=Town # another\n${line}\nQUOTED="a#b"\n`);
    return loadConfig({ NODE_ENV: 'test', SECRET_KEY, APP_NAME: 'Town', QUOTED: 'a', ...environment }, file).notices;
  };

  it.each([
    ['ADMIN_PASSWORD=abc#def', 'abc'],
    ['  export ADMIN_PASSWORD = abc#def', 'abc'],
    ['ADMIN_PASSWORD=#def', ''],
  ])('with %s is reported, without the value', (line, ADMIN_PASSWORD) => {
    const [notice, ...others] = notices(line, { ADMIN_PASSWORD });
    expect(notice).toMatch(/^The value of ADMIN_PASSWORD in .* ends before "#": put the value in quotes\.$/);
    expect(notice).not.toContain('abc');
    expect(others).toEqual([]);
  });

  it.each([
    ['ADMIN_PASSWORD="abc#def"', 'abc#def'],
    ["ADMIN_PASSWORD='abc#def'", 'abc#def'],
    ['ADMIN_PASSWORD=abc # def', 'abc'],
    ['ADMIN_PASSWORD=abc#def', 'from the environment'],
    ['# ADMIN_PASSWORD=abc#def', 'abc'],
  ])('with %s is not, when the value is %s', (line, ADMIN_PASSWORD) => {
    expect(notices(line, { ADMIN_PASSWORD })).toEqual([]);
  });
});

describe('secrets', () => {
  it.each(SECRETS)('are read from a file if the setting is %s_FILE', (name) => {
    const values: Record<string, string> = {
      DATABASE_URL: 'postgres://u@h/n',
      DATABASE_DIRECT_URL: 'postgres://u@h/n',
      SMTP_URL: 'smtp://u:p@h',
      SIGNING_KEY: SIGNING_KEY.trim(),
      ACCEPTED_SIGNING_KEYS: SIGNING_KEY.trim(),
    };
    const value = values[name] ?? randomBytes(32).toString('hex');
    const file = join(folder, name);
    writeFileSync(file, `${value}\n`);
    const companions: Record<string, Record<string, string>> = {
      DB_PASSWORD: { DB_HOST: 'h', DB_NAME: 'n', DB_USER: 'u' },
      DATABASE_DIRECT_URL: { DATABASE_URL: 'postgres://u@pooler/n' },
    };
    const env = { NODE_ENV: 'test', ...companions[name] };
    expect(loadConfig({ ...env, DATA_DIR: folder, [`${name}_FILE`]: file })[name]).toBe(value);
    expect(findConfigErrors({ ...env, [`${name}_FILE`]: file, [name]: value })[0]).toContain(
      `${name}_FILE are both set`,
    );
  });

  it('are refused if their file is empty', () => {
    const file = join(folder, 'empty');
    writeFileSync(file, '\n');
    expect(findConfigErrors({ NODE_ENV: 'production', SECRET_KEY_FILE: file })).toEqual([
      `SECRET_KEY_FILE is empty: write the secret to ${file}.`,
      expect.stringContaining('SECRET_KEY is missing'),
    ]);
    expect(findConfigErrors({ ...production, ADMIN_PASSWORD_FILE: file })).toHaveLength(1);
  });

  it('include a SECRET_KEY that is created once outside production, readable by its owner only', () => {
    const env = { NODE_ENV: 'development', DATA_DIR: folder };
    const first = loadConfig(env).SECRET_KEY;
    expect(Buffer.byteLength(first)).toBeGreaterThanOrEqual(32);
    expect(loadConfig(env).SECRET_KEY).toBe(first);
    expect(statSync(join(folder, 'secret-key')).mode & 0o777).toBe(0o600);
  });
});

it('the configuration is frozen', () => {
  const config = loadConfig(production) as { PORT: number };
  expect(() => (config.PORT = 1)).toThrow(TypeError);
});

describe('.env.example', () => {
  const text = readFileSync(join(packageRoot(), '.env.example'), 'utf8');
  const entries = [...text.matchAll(/^# ([A-Z0-9_]+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!] as const);

  it('lists every setting and no other', () => {
    expect(entries.map(([name]) => name).toSorted()).toEqual(listSettings().toSorted());
  });

  it.each(entries.filter(([name]) => name !== 'SECRET_KEY'))('gives the default of %s as %j', (name, shown) => {
    const config = loadConfig(production)[name as keyof Config];
    const given = shown === '' ? {} : { [name]: shown };
    const expected = loadConfig({ ...production, ...given })[name as keyof Config];
    expect(config).toEqual(expected);
    if (shown === '') expect(config === undefined || (Array.isArray(config) && config.length === 0)).toBe(true);
  });

  it('can be used as it is, and sets nothing', () => {
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});
