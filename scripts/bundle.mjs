// Joins the compiled programs and the packages that they import, three thousand small files, into a few large ones: a start spends most of
// its time on finding and reading files. Run by prepare.mjs after each build. See docs/decisions/bundled-programs.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const DIST = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
/** Each is replaced by its bundled form, so that all paths stay what they were. */
const PROGRAMS = ['src/main', 'src/migrate', 'src/openapi', 'src/cli/machi'];
const CHUNKS = 'chunks';
/** Packages that stay outside: OpenTelemetry hooks the loading of some, others are native or look for files beside them. */
const APART = /^(@opentelemetry\/(?!api$)|@aws-sdk\/|@node-rs\/|(pg|ioredis|bcrypt|sharp|pino|swagger-ui-dist)(\/|$))/;
/** TypeORM's drivers for other databases, a tenth of what a start would compile. The bundle has empty classes in their place. */
const OTHER_DRIVER = /\/typeorm\/driver\/(?!postgres\/)[^/]+\/(\w+Driver)\.js$/;
/** The bundle takes what is used of the ES modules of rxjs. Node.js itself would load their CommonJS form, with all operators. */
const RXJS = join(dirname(DIST), 'node_modules/rxjs/dist/esm');

const bundle = await rolldown({
  input: Object.fromEntries(PROGRAMS.map((name) => [name, join(DIST, `${name}.js`)])),
  platform: 'node',
  external: (id, importer) => isPackage(id) && (isBuiltin(id) || APART.test(id) || !isInstalled(id, importer)),
  resolve: { alias: { rxjs$: join(RXJS, 'index.js'), 'rxjs/operators$': join(RXJS, 'operators/index.js') } },
  plugins: [
    { name: 'read', load: { filter: { id: /\.[cm]?js$/ }, handler: read } },
    { name: 'data', load: { filter: { id: /\.json$/ }, handler: readData } },
  ],
});
const { output } = await bundle.write({
  dir: DIST,
  chunkFileNames: `${CHUNKS}/[name].js`,
  keepNames: true, // Nest, TypeORM and the logs use the names of classes
  sourcemap: true,
  sourcemapExcludeSources: true,
  // Node.js keeps a source of ASCII in half the memory, and comments of packages have other characters.
  charset: 'ascii',
  comments: { legal: true, annotation: false, jsdoc: false },
});
for (const { type, fileName, code } of output) {
  if (type === 'chunk') writeFileSync(join(DIST, fileName), withFunctions(code));
}

function isPackage(id) {
  return !/^[./]/.test(id) && !/^[A-Z]:/i.test(id);
}

/** Packages try to load others that they can do without. A package may bring its own version of another. */
function isInstalled(id, importer) {
  const [name] = /^(@[^/]+\/)?[^/]+/.exec(id);
  const folders = [/.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(importer)?.[0], dirname(DIST)];
  return folders.some((folder) => folder !== undefined && existsSync(join(folder, 'node_modules', name)));
}

/**
 * A module with its source map, so that stack traces name the sources. `import.meta.url` still says where the module was. A `require`
 * that a module makes for itself is left to rolldown, which then finds what it loads.
 */
function read(file) {
  const driver = OTHER_DRIVER.exec(file.replaceAll('\\', '/'))?.[1];
  if (driver !== undefined) return { code: `exports.${driver} = class ${driver} {};` };
  const code = readFileSync(file, 'utf8');
  const url = `new URL(${JSON.stringify(relative(join(DIST, CHUNKS), file).replaceAll('\\', '/'))}, import.meta.url).href`;
  const map = existsSync(`${file}.map`) ? readFileSync(`${file}.map`, 'utf8') : undefined;
  const analysable = code
    .replace('const require = createRequire(import.meta.url);', '')
    .replace(/createRequire\(import\.meta\.url\)(?=\(['"])/g, 'require');
  return { code: analysable.replaceAll('import.meta.url', url), map };
}

/** Data as a text that is parsed when it is first used, which V8 reads faster than objects in a program. Some tables are never used. */
function readData(file) {
  const text = JSON.stringify(JSON.parse(readFileSync(file, 'utf8')));
  return { code: `module.exports = JSON.parse(${JSON.stringify(text)});`, moduleType: 'js' };
}

/**
 * Turns rolldown's wrappers of CommonJS modules from arrow functions into functions. V8 compiles a function in parentheses at once; an arrow
 * function it reads twice, first to skip it and then to compile it. Lines stay what they were, so that the source maps still fit.
 */
function withFunctions(code) {
  return code.replaceAll(/(?<=__(?:commonJS|esm)Min\(\()\(([^()]*)\) =>/g, 'function ($1)');
}
