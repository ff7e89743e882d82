import { readdirSync, readFileSync } from 'node:fs';
import { type SourceMapPayload, SourceMap } from 'node:module';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';

const CHUNKS = join(packageRoot(), 'dist/chunks');
const read = (path: string): string => readFileSync(path, 'utf8');

type Manifest = Record<'dependencies' | 'peerDependencies', Record<string, string> | undefined>;

it('no package outside the bundle imports Nest, whose classes would then exist twice', () => {
  const code = readdirSync(CHUNKS)
    .filter((name) => name.endsWith('.js'))
    .map((name) => read(join(CHUNKS, name)));
  const imported = code.flatMap((text) => [...text.matchAll(/^import .*?"((?:@[^/"]+\/)?[^./"][^/"]*).*?";$/gm)]);
  const packages = new Set(imported.map(([, name]) => name!).filter((name) => !name.startsWith('node:')));
  const ofNest = [...packages].filter((name) => {
    const path = join(packageRoot(), 'node_modules', name, 'package.json');
    const { dependencies, peerDependencies } = JSON.parse(readManifest(path)) as Manifest;
    return Object.keys({ ...dependencies, ...peerDependencies }).some((other) => other.startsWith('@nestjs/'));
  });
  expect(packages).toContain('typeorm');
  expect(ofNest).toEqual([]);
});

/** The manifest of a package; an empty one for a module of Node.js that is imported without its prefix. */
function readManifest(path: string): string {
  try {
    return read(path);
  } catch {
    return '{}';
  }
}

it('positions in the bundle lead to the TypeScript sources, so that stack traces name them', () => {
  const lines = read(join(CHUNKS, 'server.js')).split('\n');
  const map = new SourceMap(JSON.parse(read(join(CHUNKS, 'server.js.map'))) as SourceMapPayload);
  const line = lines.findIndex((text) => text.includes('await listen('));
  const found = map.findEntry(line, lines[line]!.indexOf('listen(')) as {
    originalSource: string;
    originalLine: number;
  };
  expect(join(CHUNKS, found.originalSource)).toBe(join(packageRoot(), 'src/server.ts'));
  const source = read(join(packageRoot(), 'src/server.ts')).split('\n');
  expect(source[found.originalLine]).toContain('await listen(');
});
