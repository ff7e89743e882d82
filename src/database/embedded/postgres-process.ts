import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** An unreadable pid file that is younger than this may still be being written. */
const WRITING_MS = 5_000;

/** Finds the running server of one cluster, and removes the files that a dead one left behind. */
export class PostgresProcess {
  constructor(
    private readonly cluster: string,
    /** The file name of the socket. Its lock file, with `.lock` appended, contains the pid as well. */
    private readonly socket: string,
  ) {}

  /** The system identifier of the cluster. As `cluster_name` it is part of the server's command line. */
  get marker(): string {
    return `machi-${readFileSync(join(this.cluster, 'global/pg_control')).readBigUInt64LE(0)}`;
  }

  /** The pid of the running server of this cluster; undefined if there is none. */
  pid(): number | undefined {
    const pid = pidIn(this.pidFile);
    return pid !== undefined && isAlive(pid) && this.isOurs(pid) ? pid : undefined;
  }

  /** Removes pid files that PostgreSQL would not replace: damaged ones, and those whose pid now belongs to another process. */
  removeStale(): void {
    for (const file of [this.pidFile, join(this.cluster, `${this.socket}.lock`)]) {
      const content = read(file);
      if (content === undefined) continue;
      const pid = pidIn(file);
      const isStale = pid === undefined ? Date.now() - ageOf(file) > WRITING_MS : isAlive(pid) && !this.isOurs(pid);
      if (isStale && read(file) === content) rmSync(file, { force: true });
    }
  }

  /** Kills the server and its child processes: a child that is stopped by a signal would survive the server. */
  killAll(pid: number): void {
    for (const victim of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(victim, 'SIGKILL');
      } catch {
        // it has ended
      }
    }
  }

  private get pidFile(): string {
    return join(this.cluster, 'postmaster.pid');
  }

  /** True also if the command line cannot be read: a second server on one folder would be worse than waiting. */
  private isOurs(pid: number): boolean {
    try {
      return commandOf(pid).includes(this.marker);
    } catch (error) {
      return isAlive(pid) && (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  }
}

const commandOf = (pid: number): string =>
  process.platform === 'linux'
    ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') // empty for a zombie
    : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { stdio: 'pipe' }).toString();

function childrenOf(parent: number): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => Number(read(`/proc/${pid}/stat`)?.split(') ')[1]?.split(' ')[1]) === parent);
}

function pidIn(file: string): number | undefined {
  const pid = Number(read(file)?.split('\n')[0] || undefined);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

const ageOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
