import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server listens on its socket within this time after it has written its pid file. */
const STARTING_MS = 5_000;

/** The server of one cluster, which may be the child of another process. It is known by its pid file. */
export class PostgresProcess {
  private readonly pidFile: string;
  private readonly socketLock: string;

  constructor(cluster: string, socket: string) {
    this.pidFile = join(cluster, 'postmaster.pid');
    this.socketLock = join(cluster, `${socket}.lock`);
  }

  /**
   * Removes the pid files of a server that has ended: PostgreSQL refuses to start when one is damaged, or when its process id
   * belongs to another process by now. Call it only while nothing listens on the socket. If a server runs all the same,
   * PostgreSQL refuses to start a second one, because the first uses the shared memory of the cluster.
   */
  removeOldFiles(): void {
    for (const file of [this.pidFile, this.socketLock]) {
      const stats = statSync(file, { throwIfNoEntry: false });
      if (stats && Date.now() - stats.mtimeMs > STARTING_MS) rmSync(file, { force: true });
    }
  }

  /** Closes all connections, writes everything to disk and ends the server. Returns false if it still runs after `ms`. */
  async stop(ms: number): Promise<boolean> {
    const pid = this.pid();
    send(pid, 'SIGINT');
    for (const deadline = Date.now() + ms; isRunning(pid); await sleep(20)) if (Date.now() > deadline) return false;
    return true;
  }

  /** Kills the server and its child processes: a child that a signal has stopped would survive the server. */
  kill(): void {
    const pid = this.pid();
    for (const victim of [pid, ...childrenOf(pid)]) send(victim, 'SIGKILL');
  }

  /** NaN if there is none. */
  private pid(): number {
    const pid = Number.parseInt(read(this.pidFile));
    return pid > 0 ? pid : NaN; // others would signal a process group
  }
}

/** Whether a process runs. On Linux, one that has ended and that its parent has not noticed yet does not run. */
export const isRunning = (pid: number): boolean => send(pid, 0) && !/^State:\s+Z/m.test(read(`/proc/${pid}/status`));

/** The child processes of a process; empty on other systems than Linux. */
const childrenOf = (pid: number): number[] =>
  (read(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Sends a signal; 0 only checks. Returns false if the process has ended. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
