import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

/** The user that runs the server when Machi runs as root, which PostgreSQL refuses. */
export interface Account {
  uid: number;
  gid: number;
}

/** initdb passes its own path to a shell in double quotes, where these characters have a meaning. */
const UNQUOTABLE = /["$`\\]/;

/**
 * Returns the folder with `bin`, `lib` and `share` of the npm package, executable by `account`. Throws EmbeddedPostgresError if
 * the package has no binaries for this system.
 */
export function preparePostgres(account?: Account, platform = `${process.platform}-${process.arch}`): string {
  const packaged = findPackage(platform);
  const usable = !account && !UNQUOTABLE.test(packaged) && linkLibraries(packaged);
  const root = usable ? packaged : copyTo(packaged, account ? '/var/cache/machi' : join(homedir(), '.cache/machi'));
  try {
    execFileSync(join(root, 'native/bin/postgres'), ['--version'], { ...account, cwd: '/', stdio: 'pipe' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL has no binaries that run on this system (${platform}: ${code ?? message}).`,
      { cause: error },
    );
  }
  return join(root, 'native');
}

function findPackage(platform: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)));
  } catch (error) {
    throw new EmbeddedPostgresError(`The embedded PostgreSQL has no binaries for this platform (${platform}).`, {
      cause: error,
    });
  }
}

/**
 * Creates the symbolic links between the libraries, which npm packages cannot contain: the install script of the package makes
 * them, but install scripts may be disabled. Returns false if they cannot be created here.
 */
function linkLibraries(root: string): boolean {
  const list = readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8');
  const links = JSON.parse(list) as { source: string; target: string }[];
  const missing = links.filter(({ target }) => !existsSync(join(root, target)));
  const run = ({ source, target }: (typeof links)[0]) => spawnSync('ln', ['-sf', basename(source), join(root, target)]);
  return missing.every((link) => run(link).status === 0);
}

/** For a package that the server's user cannot read, or in which the links cannot be created. */
function copyTo(packaged: string, parent: string): string {
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8')) as { version: string };
  const target = join(parent, `postgres-${basename(packaged)}-${version}`);
  try {
    mkdirSync(parent, { recursive: true });
    if (statSync(parent).uid !== process.getuid?.()) throw new Error(`${parent} belongs to another user`);
    chmodSync(parent, 0o755); // regardless of the umask
    if (!existsSync(target)) copyPackage(packaged, target);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot be copied to ${parent} (${(error as Error).message}).`,
      { cause: error },
    );
  }
  return target;
}

/** Copies under another name first, so that an interrupted copy is never used. */
function copyPackage(source: string, target: string): void {
  const incomplete = `${target}.${process.pid}`;
  rmSync(incomplete, { recursive: true, force: true });
  cpSync(source, incomplete, { recursive: true, verbatimSymlinks: true });
  linkLibraries(incomplete);
  execFileSync('chmod', ['-R', 'a+rX', incomplete]); // regardless of the umask
  try {
    renameSync(incomplete, target);
  } catch {
    rmSync(incomplete, { recursive: true, force: true }); // another process has copied it
  }
}

/** Undefined unless Machi runs as root. Otherwise the owner of existing data, or the user `postgres` or `nobody`. */
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
      // this user does not exist
    }
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL refuses to run as root, and there is neither a user "postgres" nor "nobody" to run it as.',
  );
}
