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

it('docs/front-end.md shows the code of examples/web, which is tested in Chromium', () => {
  const read = (path: string): string => readFileSync(join(packageRoot(), path), 'utf8');
  const code = read('examples/web/app.js') + read('examples/web/push-worker.js');
  const blocks = [...read('docs/front-end.md').matchAll(/^```js\n(.*?)\n```$/gms)].map(([, block]) => block!);
  expect(blocks.length).toBeGreaterThan(10);
  expect(blocks.filter((block) => !code.includes(block))).toEqual([]);
});

it('documents link only to files that exist', () => {
  const docs = readdirSync(join(packageRoot(), 'docs'), { recursive: true, encoding: 'utf8' });
  const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs.map((path) => join('docs', path))];
  const broken = documents
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => {
      const text = readFileSync(join(packageRoot(), path), 'utf8');
      const links = [...text.matchAll(/\]\((?!https?:|#|\/)([^)#\s]+)/g)].map(([, link]) => link!);
      return links
        .filter((link) => !existsSync(join(packageRoot(), path, '..', link)))
        .map((link) => `${path}: ${link}`);
    });
  expect(broken).toEqual([]);
});
