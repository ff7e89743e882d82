import { describe, expect, it } from 'vitest';
import { KEYS } from '../../test/support/setup/config.js';
import type { Config } from './config.js';
import { loadConfig } from './load-config.js';
import { durationText, parseDuration } from './setting-decorators.js';

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

it.each(['90s', '15m', '12h', '7d', '36h', 'never'])('durationText writes %s as it is set', (text) => {
  expect(durationText(parseDuration(text))).toBe(text);
});

describe('hosts', () => {
  const load = (env: Record<string, string>): Config => loadConfig({ NODE_ENV: 'test', ...KEYS, ...env });

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
