import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findConfigErrors, production } from '../../test/support/setup/config.js';
import { loadConfig } from './load-config.js';

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8) as string;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'machi-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('CERTIFICATE_KEY', () => {
  it('is created once outside production, readable by its owner only, and is missing in production', () => {
    const env = { NODE_ENV: 'development', DATA_DIR: folder };
    const first = loadConfig(env).CERTIFICATE_KEY;
    expect(first).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(loadConfig(env).CERTIFICATE_KEY).toBe(first);
    expect(statSync(join(folder, 'certificate-key.pem')).mode & 0o777).toBe(0o600);
    expect(loadConfig({ ...production, DATA_DIR: folder }).CERTIFICATE_KEY).toBeUndefined();
  });

  it('names the file when the created key is damaged', () => {
    const dataDir = mkdtempSync(join(folder, 'damaged-'));
    const file = join(dataDir, 'certificate-key.pem');
    writeFileSync(file, 'x');
    const [error] = findConfigErrors({ NODE_ENV: 'development', DATA_DIR: dataDir });
    expect(error).toBe(`${file} is damaged: delete it; the next start creates a new one.`);
  });

  it.each([
    ['several', KEY + KEY],
    ['public', createPublicKey(KEY).export({ type: 'spki', format: 'pem' }) as string],
    ['not PEM', 'x'],
  ])('refuses a text that is %s without showing it', (reason, text) => {
    const [error] = findConfigErrors({ ...production, CERTIFICATE_KEY: text });
    expect(error).toMatch(/^CERTIFICATE_KEY must be one P-256 private key as PEM/);
    expect(error).toContain(reason);
    expect(error).not.toContain(KEY.split('\n')[1]);
  });
});
