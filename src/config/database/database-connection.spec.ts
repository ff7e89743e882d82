import { describe, expect, it } from 'vitest';
import { findConfigErrors, production } from '../../../test/support/setup/config.js';
import { loadConfig } from '../load-config.js';

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
