import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SECRET_KEY } from '../../../test/support/setup/config.js';
import type { Config } from '../config.js';
import { loadConfig } from '../load-config.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'machi-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

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
