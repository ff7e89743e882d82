import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Younger than this, an unreadable pid file may just be being written. */
const WRITING_MS = 5000;

/** Tells the server of one cluster from whatever else runs, and from what one that died has left behind. */
export class PostgresProcess {
  constructor(
    private readonly cluster: string,
    /** The name of the socket's file; a pid file of its own stands beside it. */
    private readonly socket: string,
  ) {}

  /** What makes the server known by its command line: the identity of its cluster, wherever the folder is moved. */
  get marker(): string {
    return `machi-${readFileSync(join(this.cluster, 'global/pg_control')).readBigUInt64LE(0)}`;
  }

  /** The pid of the live server of this cluster. */
  pid(): number | undefined {
    const pid = pidIn(this.pidFile);
    return pid !== undefined && isAlive(pid) && this.isOurs(pid) ? pid : undefined;
  }

  /** `starting`, `ready`, `stopping`, as the server itself says. */
  status(): string | undefined {
    return read(this.pidFile)?.split('\n')[7]?.trim();
  }

  /** PostgreSQL replaces the pid files of the dead; not those whose pid is a stranger's by now, nor damaged ones. */
  removeStale(): void {
    for (const file of [this.pidFile, join(this.cluster, `${this.socket}.lock`)]) {
      const content = read(file);
      if (content === undefined) continue;
      const pid = pidIn(file);
      const isStale = pid === undefined ? Date.now() - ageOf(file) > WRITING_MS : isAlive(pid) && !this.isOurs(pid);
      if (isStale && read(file) === content) rmSync(file, { force: true });
    }
  }

  /** Kills the server with all of its processes: stopped ones would not notice that it is gone. */
  killAll(pid: number): void {
    for (const victim of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(victim, 'SIGKILL');
      } catch {
        // gone already
      }
    }
  }

  private get pidFile(): string {
    return join(this.cluster, 'postmaster.pid');
  }

  /** A command line that cannot be read is taken for ours: better to wait than to start a second server on one folder. */
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
