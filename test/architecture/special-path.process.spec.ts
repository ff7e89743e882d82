import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const COPIED = [
  'src',
  'migrations',
  'scripts',
  'docs',
  'asyncapi.json',
  'nest-cli.json',
  'openapi.json',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
];

it(
  'is built in a folder whose path has spaces, percent signs and letters besides ASCII',
  { timeout: 180_000 },
  async ({ onTestFinished }) => {
    const temporary = mkdtempSync(join(tmpdir(), 'machi-path-'));
    onTestFinished(() => rmSync(temporary, { recursive: true }));
    const folder = join(temporary, 'Müller’s %20 #1', '町');
    for (const name of COPIED) cpSync(name, join(folder, name), { recursive: true });
    symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
    const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: folder });
    await run('scripts/prepare.mjs');
    await expect(run('dist/src/openapi.js', '--check')).resolves.toBeDefined();
  },
);
