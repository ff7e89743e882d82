// Joins the compiled programs with Nest and rxjs, two thousand small files, into a few large ones: a start spends most of its time on
// finding and reading files. Run by prepare.mjs after each build. See docs/decisions/bundled-programs.md.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const DIST = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
/** Each is replaced by its bundled form, so that all paths stay what they were. */
const PROGRAMS = ['src/main', 'src/migrate', 'src/openapi', 'src/cli/machi'];
const CHUNKS = 'chunks';
/**
 * Packages of many small files, and all that import Nest: its classes must not exist twice. The two that Nest can do without are not
 * installed. Other packages are loaded as before: some are native, and OpenTelemetry hooks the loading of some.
 */
const BUNDLED = /^(@nestjs\/(?!microservices|platform-socket)|(rxjs|es-toolkit)(\/|$))/;

const bundle = await rolldown({
  input: Object.fromEntries(PROGRAMS.map((name) => [name, join(DIST, `${name}.js`)])),
  platform: 'node',
  external: (id, importer) => isPackage(id) && !BUNDLED.test(id) && !isNested(id, importer),
  plugins: [{ name: 'read', load: { filter: { id: /\.[cm]?js$/ }, handler: read } }],
});
await bundle.write({
  dir: DIST,
  chunkFileNames: `${CHUNKS}/[name].js`,
  keepNames: true, // Nest, TypeORM and the logs use the names of classes
  sourcemap: true,
  sourcemapExcludeSources: true,
});

function isPackage(id) {
  return !/^[./]/.test(id) && !/^[A-Z]:/i.test(id);
}

/** Whether a bundled package brings its own version of a package, which could not be found from the bundle. */
function isNested(id, importer) {
  const [folder] = /.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(importer) ?? [];
  const [name] = /^(@[^/]+\/)?[^/]+/.exec(id);
  return folder !== undefined && existsSync(join(folder, 'node_modules', name));
}

/** A module with its source map, so that stack traces name the sources. `import.meta.url` still says where the module was. */
function read(file) {
  const url = `new URL(${JSON.stringify(relative(join(DIST, CHUNKS), file).replaceAll('\\', '/'))}, import.meta.url).href`;
  const map = existsSync(`${file}.map`) ? readFileSync(`${file}.map`, 'utf8') : undefined;
  return { code: readFileSync(file, 'utf8').replaceAll('import.meta.url', url), map };
}
