// Corrects imports in dist that the Swagger plugin has written wrong, because the path of this folder has percent signs or letters besides
// ASCII. The plugin imports the DTOs of other files by their absolute paths, but reads them as URLs, and the escapes that TypeScript writes
// (\u00FC for ü) as folders. Run by prepare.mjs after each build.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(root, 'dist');
const IMPORT = /(?<= from ")\.\.?\/[^"]+(?=")/g;
/** The last part of the path of this folder, as the plugin writes it. */
const folder = `/${basename(decode(root.replace(/[^\x20-\x7e]/g, (unit) => `/u${hex(unit)}`)))}/`;

for (const name of readdirSync(DIST, { recursive: true })) {
  if (!name.endsWith('.js')) continue;
  const file = join(DIST, name);
  const code = readFileSync(file, 'utf8');
  const repaired = code.replace(IMPORT, (path) => repair(path, dirname(file)));
  if (repaired !== code) writeFileSync(file, repaired);
}

function repair(path, from) {
  if (existsSync(join(from, path)) || !path.includes(folder)) return path;
  const to = path.slice(path.lastIndexOf(folder) + folder.length);
  const repaired = relative(from, join(DIST, to));
  return repaired.startsWith('.') ? repaired : `./${repaired}`;
}

function hex(unit) {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

function decode(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
