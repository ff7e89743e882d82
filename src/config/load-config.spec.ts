import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findConfigErrors, KEYS, production } from '../../test/support/setup/config.js';
import { packageRoot } from '../common/version.js';
import type { Config } from './config.js';
import { listSettings, loadConfig, SECRETS } from './load-config.js';

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const SIGNING_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8) as string;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'machi-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the profile', () => {
  it.each([
    [{}, 'production'],
    [{ NODE_ENV: 'staging' }, 'production'],
    [{ NODE_ENV: 'Development' }, 'production'],
    [{ NODE_ENV: 'test' }, 'test'],
    [{ NODE_ENV: 'development' }, 'development'],
  ])('of %j is %s', (env, profile) => expect(loadConfig({ ...KEYS, ...env }).NODE_ENV).toBe(profile));

  it('decides over lifetimes and Swagger UI', () => {
    const lifetimes = ({ IDENTITY_TOKEN_TTL, REFRESH_TOKEN_TTL, SESSION_MAX_AGE, SWAGGER }: Config) => [
      IDENTITY_TOKEN_TTL,
      REFRESH_TOKEN_TTL,
      SESSION_MAX_AGE,
      SWAGGER,
    ];
    const day = 86_400_000;
    expect(lifetimes(loadConfig(production))).toEqual([900_000, 7 * day, 30 * day, 'off']);
    expect(lifetimes(loadConfig({ NODE_ENV: 'development', ...KEYS }))).toEqual([Infinity, Infinity, Infinity, 'on']);
    expect(lifetimes(loadConfig({ NODE_ENV: 'test', ...KEYS, IDENTITY_TOKEN_TTL: '2s' }))[0]).toBe(2000);
  });
});

describe('COMPAT', () => {
  const systems = (COMPAT: string) => loadConfig({ ...KEYS, COMPAT }).COMPAT;

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
      expect(findConfigErrors({ ...KEYS, COMPAT: value })).toEqual([
        'COMPAT must be on, off, or some of kanjiku, kitsu, chatapp, tmtar, backend-user, separated by commas.',
      ]);
    },
  );
});

describe('the lifetimes of tokens of compatibility routes', () => {
  const lifetimes = (env: Record<string, string>) => {
    const { COMPAT_TOKEN_TTL, COMPAT_REGISTRATION_TOKEN_TTL } = loadConfig({ ...KEYS, ...env });
    return [COMPAT_TOKEN_TTL, COMPAT_REGISTRATION_TOKEN_TTL];
  };
  const [hour, day] = [3_600_000, 86_400_000];

  it('are one hour and seven days, and the first is never where identity tokens never expire', () => {
    expect(lifetimes({ NODE_ENV: 'test', IDENTITY_TOKEN_TTL: '15s' })).toEqual([hour, 7 * day]);
    expect(lifetimes({ NODE_ENV: 'development' })).toEqual([Infinity, 7 * day]);
    expect(lifetimes({ NODE_ENV: 'development', COMPAT_TOKEN_TTL: '5m' })[0]).toBe(300_000);
  });
});

describe('secrets', () => {
  it.each(SECRETS)('are read from a file if the setting is %s_FILE', (name) => {
    const values: Record<string, string> = {
      DATABASE_URL: 'postgres://u@h/n',
      DATABASE_DIRECT_URL: 'postgres://u@h/n',
      SMTP_URL: 'smtp://u:p@h',
      REDIS_URL: 'redis://u:p@h',
      SIGNING_KEY: SIGNING_KEY.trim(),
      ACCEPTED_SIGNING_KEYS: SIGNING_KEY.trim(),
      CERTIFICATE_KEY: SIGNING_KEY.trim(),
      ACCEPTED_CERTIFICATE_KEYS: SIGNING_KEY.trim(),
      VAPID_PRIVATE_KEY: SIGNING_KEY.trim(),
    };
    const value = values[name] ?? randomBytes(32).toString('hex');
    const file = join(folder, name);
    writeFileSync(file, `${value}\n`);
    const companions: Record<string, Record<string, string>> = {
      DB_PASSWORD: { DB_HOST: 'h', DB_NAME: 'n', DB_USER: 'u' },
      DATABASE_DIRECT_URL: { DATABASE_URL: 'postgres://u@pooler/n' },
    };
    const env = { NODE_ENV: 'test', ...companions[name] };
    expect([loadConfig({ ...env, DATA_DIR: folder, [`${name}_FILE`]: file })[name]].flat()).toEqual([value]);
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
      expect.stringContaining('NATIONAL_ID_KEY is missing'),
      expect.stringContaining('NATIONAL_ID_INDEX_KEY is missing'),
    ]);
    expect(findConfigErrors({ ...production, ADMIN_PASSWORD_FILE: file })).toHaveLength(1);
  });

  it('are refused if their file has more than 1 MiB, as certificates are', () => {
    const file = join(folder, 'large');
    const DATA_DIR = join(folder, 'with-large-key');
    writeFileSync(file, '');
    truncateSync(file, 3 * 1024 ** 3); // takes no space
    mkdirSync(DATA_DIR);
    symlinkSync(file, join(DATA_DIR, 'secret-key'));
    expect([
      findConfigErrors({ ...production, ADMIN_PASSWORD_FILE: file }),
      findConfigErrors({ ...production, DATABASE_URL: `postgres://u@h/n?sslmode=verify-full&sslrootcert=${file}` }),
      findConfigErrors({ NODE_ENV: 'test', DATA_DIR }),
    ]).toEqual([
      ['ADMIN_PASSWORD_FILE cannot be read (EFBIG): set it to the path of a readable file.'],
      ['DATABASE_URL cannot be used: sslrootcert cannot be read (EFBIG).'],
      [expect.stringMatching(/^DATA_DIR cannot be used \(EFBIG, /)],
    ]);
  });

  it('are read from a pipe, and refused when nobody writes into it', () => {
    const file = join(folder, 'pipe');
    execFileSync('mkfifo', [file]);
    const env = { ...production, ADMIN_PASSWORD_FILE: file };
    spawn('sh', ['-c', '{ printf "a long "; sleep 0.1; printf "password 1"; } > "$0"', file]);
    expect(loadConfig(env).ADMIN_PASSWORD).toBe('a long password 1');
    const now = vi.spyOn(performance, 'now').mockReturnValue(6_000).mockReturnValueOnce(0);
    expect(findConfigErrors(env)).toEqual([
      'ADMIN_PASSWORD_FILE cannot be read (ETIMEDOUT): set it to the path of a readable file.',
    ]);
    now.mockRestore();
  });

  it.each([
    ['SECRET_KEY', 'secret-key'],
    ['NATIONAL_ID_KEY', 'national-id-key'],
    ['NATIONAL_ID_INDEX_KEY', 'national-id-index-key'],
  ] as const)('include a %s that is created once outside production, readable by its owner only', (name, file) => {
    const env = { NODE_ENV: 'development', DATA_DIR: folder };
    const first = loadConfig(env)[name];
    expect(Buffer.byteLength(first)).toBeGreaterThanOrEqual(32);
    expect(loadConfig(env)[name]).toBe(first);
    expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
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

  it.each(entries.filter(([name]) => !(name in KEYS)))('gives the default of %s as %j', (name, shown) => {
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
