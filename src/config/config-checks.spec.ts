import { describe, expect, it } from 'vitest';
import { findConfigErrors, KEYS, production, SECRET_KEY } from '../../test/support/setup/config.js';
import { loadConfig } from './load-config.js';

describe('production', () => {
  it.each<[string, Record<string, string>]>([
    ['SECRET_KEY', { SECRET_KEY: '' }],
    ['SECRET_KEY', { SECRET_KEY: SECRET_KEY.slice(0, 31) }],
    ['SECRET_KEY', { SECRET_KEY: 'change-me-change-me-change-me-change-me' }],
    ['SECRET_KEY', { SECRET_KEY: 'this-is-an-example-9f8e7d6c5b4a3210' }],
    ['SECRET_KEY', { SECRET_KEY: 'a'.repeat(64) }],
    ['NATIONAL_ID_KEY', { NATIONAL_ID_KEY: '' }],
    ['NATIONAL_ID_KEY', { NATIONAL_ID_KEY: 'b'.repeat(64) }],
    ['NATIONAL_ID_INDEX_KEY', { NATIONAL_ID_INDEX_KEY: '' }],
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
    expect(findConfigErrors({ ...production, ...env, ...KEYS, NODE_ENV: 'test' })).toEqual([]);
  });

  it('accepts a configuration without errors', () => expect(findConfigErrors(production)).toEqual([]));
});

describe('every profile', () => {
  it.each<[string, Record<string, string>]>([
    ['SECRET_KEY', { SECRET_KEY: 'short' }],
    ['HOST is blank', { HOST: ' ' }],
    ['HOST is "127.0.0.1 "', { HOST: '127.0.0.1 ' }],
    ['HOST', { HOST: 'fe80::1%eth0' }],
    ['DATA_DIR is blank', { DATA_DIR: '\t' }],
    ['STORAGE_DIR is blank', { STORAGE_DIR: ' ' }],
    ['APP_NAME is blank', { APP_NAME: '\u00a0' }],
    ['ADMIN_PASSWORD is blank', { ADMIN_PASSWORD: '  ' }],
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
    ['NATIONAL_ID_KEY', { NATIONAL_ID_KEY: 'short' }],
    ['NATIONAL_ID_INDEX_KEY', { NATIONAL_ID_INDEX_KEY: 'short' }],
    ['NATIONAL_ID_KEY', { NATIONAL_ID_KEY: SECRET_KEY }],
    ['NATIONAL_ID_INDEX_KEY', { NATIONAL_ID_INDEX_KEY: KEYS.NATIONAL_ID_KEY }],
    ['ACCEPTED_NATIONAL_ID_KEYS', { ACCEPTED_NATIONAL_ID_KEYS: `${KEYS.NATIONAL_ID_KEY},short` }],
    ['ACCEPTED_NATIONAL_ID_INDEX_KEYS', { ACCEPTED_NATIONAL_ID_INDEX_KEYS: 'short' }],
    ['REDIS_URL', { BUS: 'redis' }],
    ['REDIS_URL', { BUS: 'redis-cluster' }],
    ['REDIS_URL', { BUS: 'redis', REDIS_URL: 'redis://a:6379,redis://b:6379' }],
    ['REDIS_URL', { BUS: 'redis-cluster', REDIS_URL: 'redis://a:6379,b:6379' }],
    ['REDIS_URL', { BUS: 'redis', REDIS_URL: 'redis://user:100%sure@host' }],
    ['REDIS_URL', { BUS: 'redis-cluster', REDIS_URL: 'redis://100%sure@a,redis://b' }],
    ['BUS', { WORKERS: '2' }],
    ['METRICS_PORT', { WORKERS: '2', BUS: 'postgres', METRICS_TOKEN: 'a-token-of-more-than-32-characters-x' }],
    ['METRICS_PORT', { METRICS_PORT: '5000' }],
    ['METRICS_PORT', { METRICS_PORT: '4999', WORKERS: '2', BUS: 'postgres' }],
    ['METRICS_PORT', { METRICS_PORT: '65535', WORKERS: '2', BUS: 'postgres' }],
    ['METRICS_PORT', { METRICS_PORT: '0', WORKERS: '2', BUS: 'postgres' }],
    ['METRICS_TOKEN', { METRICS_TOKEN: 'short' }],
  ])('refuses the setting %s in %j', (name, env) => {
    const errors = findConfigErrors({ NODE_ENV: 'test', ...KEYS, ...env });
    expect(errors.join()).toContain(name);
  });

  it('reports all errors at once', () => {
    expect(findConfigErrors({ NODE_ENV: 'production', PORT: 'x', IDENTITY_TOKEN_TTL: 'never' })).toHaveLength(5);
  });
});

it('REFRESH_COOKIE_SAME_SITE=none needs ALLOWED_ORIGINS, and accepts no other value than strict and none', () => {
  const errors = (REFRESH_COOKIE_SAME_SITE: string, ALLOWED_ORIGINS: string) =>
    findConfigErrors({ ...production, REFRESH_COOKIE_SAME_SITE, ALLOWED_ORIGINS }).join();
  expect(errors('none', '')).toMatch(/REFRESH_COOKIE_SAME_SITE is "none": set ALLOWED_ORIGINS/);
  expect([errors('none', 'https://front.example'), errors('strict', '')]).toEqual(['', '']);
  expect(errors('lax', '')).toContain('REFRESH_COOKIE_SAME_SITE');
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
