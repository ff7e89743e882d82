import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';

/** Paths of files of the repository in a text; `<…>` and `…` stand for names that the reader chooses. */
const pathsIn = (text: string): string[] =>
  text.match(/\b(?:src|test|bench|scripts|deploy|migrations)\/[\w./-]+\.(?:ts|mjs|json|yml|conf)\b/g) ?? [];

/** Files of the invented feature of the guide. */
const isExample = (path: string): boolean => path.includes('/badges/');

const isMissing = (path: string): boolean => !isExample(path) && !existsSync(join(packageRoot(), path));

it('documents name only files that exist', () => {
  const docs = readdirSync(join(packageRoot(), 'docs'), { recursive: true, encoding: 'utf8' });
  const documents = ['README.md', 'CONTRIBUTING.md', ...docs.map((path) => `docs/${path}`)].filter((path) =>
    path.endsWith('.md'),
  );
  const paths = documents.map((path) => [path, pathsIn(readFileSync(join(packageRoot(), path), 'utf8'))] as const);
  expect(paths.flatMap(([, found]) => found).length).toBeGreaterThan(50);
  const missing = paths.flatMap(([document, found]) => found.filter(isMissing).map((path) => `${document}: ${path}`));
  expect(missing).toEqual([]);
});
