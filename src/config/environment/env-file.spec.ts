import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEYS } from '../../../test/support/setup/config.js';
import { loadConfig } from '../load-config.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'machi-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('an environment file', () => {
  const notices = (line: string, environment: Record<string, string>): readonly string[] => {
    const file = join(folder, 'env');
    writeFileSync(file, `# a comment\nAPP_NAME=Town # another\n${line}\nQUOTED="a#b"\n`);
    return loadConfig({ NODE_ENV: 'test', ...KEYS, APP_NAME: 'Town', QUOTED: 'a', ...environment }, file).notices;
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
