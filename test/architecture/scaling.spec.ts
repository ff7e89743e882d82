import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';

it('docs/scaling.md quotes what scripts/scaling-model.mjs prints', () => {
  const output = execFileSync(process.execPath, [join(packageRoot(), 'scripts/scaling-model.mjs')], {
    encoding: 'utf8',
  });
  const document = readFileSync(join(packageRoot(), 'docs/scaling.md'), 'utf8');
  const blocks = output.trimEnd().split('\n\n');
  expect(blocks).toHaveLength(3);
  expect(blocks.filter((block) => !document.includes(block))).toEqual([]);
});
