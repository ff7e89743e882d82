import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { packageRoot } from '../../src/common/version.js';

/** A TypeScript file of src/, as the architecture tests read it. */
export interface SourceFile {
  /** Relative to src/, such as `users/users.service.ts`. */
  path: string;
  /** The first folder, such as `users`; empty for files directly in src/. */
  module: string;
  /** The first two folders, such as `auth/sessions`; undefined for files directly in a folder of src/. */
  subFolder: string | undefined;
  /** Without comments. */
  code: string;
  /** Paths of the files of src/ that it imports, types included. */
  imports: string[];
}

/** All files of src/ but unit tests. */
export function readSourceFiles(): SourceFile[] {
  const src = join(packageRoot(), 'src');
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
    .map((path) => sourceFile(path, readFileSync(join(src, path), 'utf8')));
}

export function sourceFile(path: string, text: string): SourceFile {
  const folders = path.split('/').slice(0, -1);
  const code = text.replaceAll(/^\s*\/\/.*$|\s\/\/ .*$|\/\*[\s\S]*?\*\//gm, '');
  const imports = [...code.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g)].map(([, specifier]) =>
    join(dirname(path), `${specifier}.ts`),
  );
  return {
    path,
    module: folders[0] ?? '',
    subFolder: folders.length > 1 ? folders.slice(0, 2).join('/') : undefined,
    code,
    imports: imports.filter((imported) => !imported.startsWith('..')),
  };
}
