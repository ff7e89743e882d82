// Installs the dependencies and builds, where needed. Uses no package, since none may be installed yet.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/**
 * Arguments for Node to run the Nest CLI. Before 20.19.6, Node cannot load the CLI unless `ora` is loaded first, because two
 * of its parts import `ora` in a circle.
 */
export const NEST = ['--import', 'ora', join(root, 'node_modules/@nestjs/cli/bin/nest.js')];
/** Percent signs and characters besides ASCII, which the Swagger plugin misreads in paths. */
const MISREAD = /%|[^\x20-\x7e]/;
const LOCK = join(root, '.prepare.lock');
const INSTALLED = join(root, 'node_modules/.package-lock.json'); // npm writes it last
const BUILT = join(root, 'dist/.built');
const SOURCES = [
  'src',
  'migrations',
  'scripts/bundle.mjs',
  'package.json',
  'nest-cli.json',
  'tsconfig.json',
  'tsconfig.build.json',
];
/** The package @machi/client, which the image of the server lacks. */
const CLIENT = 'clients/typescript';
const CLIENT_BUILT = join(root, CLIENT, 'dist/.built');
const CLIENT_SOURCES = [`${CLIENT}/src`, `${CLIENT}/tsconfig.json`];

/** Installs and builds what is missing or outdated. Concurrent calls, also of other processes, run one after the other. */
export async function prepare() {
  requireNode(20, 19);
  if (!needsInstall() && !needsBuild() && !needsClientBuild()) return;
  await lock();
  try {
    if (needsInstall())
      await run('Installing dependencies', 'npm', [
        'ci',
        '--include=dev',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
      ]);
    if (needsBuild()) {
      await run('Building', process.execPath, [...NEST, 'build']);
      if (MISREAD.test(root)) await import('./repair-imports.mjs');
      await run('Bundling', process.execPath, [join(root, 'scripts/bundle.mjs')]);
      writeFileSync(BUILT, '');
    }
    if (needsClientBuild()) {
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      await run('Building the client', process.execPath, [tsc, '-p', CLIENT, '--noCheck']); // client:test checks its types
      writeFileSync(CLIENT_BUILT, '');
    }
  } finally {
    unlock();
  }
}

function requireNode(major, minor) {
  const [hasMajor, hasMinor] = process.versions.node.split('.').map(Number);
  if (hasMajor > major || (hasMajor === major && hasMinor >= minor)) return;
  console.error(`Machi needs Node.js ${major}.${minor} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

const needsInstall = () => modified(INSTALLED) < modified(join(root, 'package-lock.json'));
const needsBuild = () => isOutdated(BUILT, SOURCES);
const needsClientBuild = () => existsSync(join(root, CLIENT)) && isOutdated(CLIENT_BUILT, CLIENT_SOURCES);
const isOutdated = (built, sources) => modified(built) < Math.max(...sources.map((path) => newest(join(root, path))));

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The newest change below a path. Folders count: their time changes when a file is removed. */
function newest(path) {
  if (!statSync(path).isDirectory()) return modified(path);
  return Math.max(modified(path), ...readdirSync(path).map((name) => newest(join(path, name))));
}

async function lock() {
  process.on('exit', unlock);
  while (!tryLock()) {
    const holder = lockHolder();
    const isFresh = Date.now() - modified(LOCK) < 2000; // the pid may not be written yet
    if (!isAlive(holder) && !isFresh) rmSync(LOCK, { force: true });
    await sleep(200);
  }
}

function tryLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

const unlock = () => lockHolder() === process.pid && rmSync(LOCK, { force: true });

function lockHolder() {
  try {
    return Number(readFileSync(LOCK, 'utf8'));
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a command with its output on standard error. A signal that ends this process also ends the command. */
async function run(what, command, args) {
  console.error(`${what} …`);
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  const pass = () => child.kill('SIGKILL') && process.exit(1); // npm reacts to SIGTERM too late
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, pass);
  const [code, signal] = await once(child, 'close').catch((error) => [error.message]);
  for (const name of ['SIGINT', 'SIGTERM']) process.off(name, pass);
  if (code === 0) return;
  console.error(`${what} failed (${signal ?? code}).`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await prepare();
