import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, type SourceMapPayload, SourceMap } from 'node:module';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';

const CHUNKS = join(packageRoot(), 'dist/chunks');
const read = (path: string): string => readFileSync(path, 'utf8');

type Manifest = Record<'dependencies' | 'peerDependencies', Record<string, string> | undefined>;

/** Before each module, rolldown writes a comment with its path. */
const PACKAGE_OF_MODULE = /^\s*\/\/ (?:\.\.\/)*node_modules\/((?:@[^/]+\/)?[^/]+)\//gm;

const code = readdirSync(CHUNKS)
  .filter((name) => name.endsWith('.js'))
  .map((name) => read(join(CHUNKS, name)));
/** What the bundle loads from outside, if it is installed: by `import`, by `require` or by one that a module makes for itself. */
const modules = code
  .flatMap((text) => [
    ...text.matchAll(
      /(?:^import .*?|\b(?:_*require(?:\$\d+)?|import|createRequire\(.*?\))\()["']([^./"'][^"']*)["']/gm,
    ),
  ])
  .map(([, id]) => id!)
  .filter((id) => isInstalled(id));
const imported = new Set(modules.map((id) => /^(?:@[^/]+\/)?[^/]+/.exec(id)![0]));

it('no package outside the bundle imports Nest, whose classes would then exist twice', () => {
  const ofNest = [...imported].filter((name) => {
    const path = join(packageRoot(), 'node_modules', name, 'package.json');
    const { dependencies, peerDependencies } = JSON.parse(readManifest(path)) as Manifest;
    return Object.keys({ ...dependencies, ...peerDependencies }).some((other) => other.startsWith('@nestjs/'));
  });
  expect(imported).toContain('pg');
  expect(ofNest).toEqual([]);
});

it('no package exists both in the bundle and outside', () => {
  const bundled = new Set(code.flatMap((text) => [...text.matchAll(PACKAGE_OF_MODULE)].map(([, name]) => name!)));
  expect(bundled).toContain('class-validator');
  expect([...imported].filter((name) => bundled.has(name))).toEqual([]);
});

it('what OpenTelemetry hooks the loading of stays outside', () => {
  expect([...imported]).toEqual(expect.arrayContaining(['pg', 'ioredis', '@aws-sdk/client-s3', 'node:http']));
});

it('no module of the bundle looks for files beside it', () => {
  const looking = code.flatMap((text) => text.match(/^(?!\s*\*).*\b__(?:dirname|filename)\b.*$/gm) ?? []);
  expect(looking).toEqual([]);
});

it('modules of packages are functions, which V8 compiles at once, and not arrow functions', () => {
  const count = (start: string): number => code.reduce((sum, text) => sum + text.split(start).length - 1, 0);
  expect(count('__commonJSMin((function (')).toBeGreaterThan(500);
  expect(count('__esmMin((function (')).toBeGreaterThan(300);
  expect(count('__commonJSMin(((') + count('__esmMin(((')).toBe(0);
});

it('what a start does not need stays out of its chunks', () => {
  const start = chunksOf('application.js');
  expect(start.size).toBeGreaterThan(10);
  const text = [...start].map((name) => read(join(CHUNKS, name))).join('\n');
  const packages = new Set([...text.matchAll(PACKAGE_OF_MODULE)].map(([, name]) => name!));
  expect(packages).toContain('typeorm');
  expect(text.match(/typeorm\/driver\/\w+\/\w+QueryRunner\.js/g)).toEqual([
    'typeorm/driver/postgres/PostgresQueryRunner.js',
  ]);
  const onDemand = ['any-ascii', '@zxcvbn-ts/language-common', 'pdfkit', 'nodemailer', '@simplewebauthn/server'];
  expect(onDemand.filter((name) => packages.has(name))).toEqual([]);
  expect(text).not.toContain('rxjs/dist/cjs'); // has all operators
  expect(text.split('(decorators, target, key, desc)').length).toBeLessThan(50); // our modules take the helpers of tslib
});

/** A chunk and those that it imports statically, and so on. */
function chunksOf(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const imports = read(join(CHUNKS, name)).matchAll(/^(?:import|export) .*?"\.\/([^"]+)";$/gm);
  for (const [, other] of imports) chunksOf(other!, found);
  return found;
}

function isInstalled(id: string): boolean {
  try {
    return createRequire(join(CHUNKS, 'any.js')).resolve(id) !== '';
  } catch {
    return false;
  }
}

/** The manifest of a package; an empty one for a module of Node.js that is imported without its prefix. */
function readManifest(path: string): string {
  try {
    return read(path);
  } catch {
    return '{}';
  }
}

it('positions in the bundle lead to the TypeScript sources, so that stack traces name them', () => {
  const lines = read(join(CHUNKS, 'application.js')).split('\n');
  const map = new SourceMap(JSON.parse(read(join(CHUNKS, 'application.js.map'))) as SourceMapPayload);
  const line = lines.findIndex((text) => text.includes('await listen('));
  const found = map.findEntry(line, lines[line]!.indexOf('listen(')) as {
    originalSource: string;
    originalLine: number;
  };
  expect(join(CHUNKS, found.originalSource)).toBe(join(packageRoot(), 'src/application.ts'));
  const source = read(join(packageRoot(), 'src/application.ts')).split('\n');
  expect(source[found.originalLine]).toContain('await listen(');
});
