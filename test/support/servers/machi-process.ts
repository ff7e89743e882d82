import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../src/common/version.js';

/** The built program as a process of its own. */
export interface MachiProcess {
  child: ChildProcess;
  /** Everything it wrote to standard output and standard error so far. */
  output: () => string;
  /** What it wrote to standard output so far. */
  stdout: () => string;
  /** Where it listens; empty until it does. */
  url: string;
  /** Resolves with the exit code when the process ends; null when a signal ended it. */
  ended: Promise<number | null>;
  kill: (signal: NodeJS.Signals) => Promise<number | null>;
}

interface LaunchOptions {
  cwd?: string;
  /** Of Node.js. */
  options?: string[];
  /** Of the program. */
  args?: string[];
  /** An open file that standard output goes to instead of `stdout()`. */
  stdout?: number;
}

/** A temporary data folder. `postmaster` reads the process id of the embedded PostgreSQL in it. */
export function dataFolder(): { path: string; remove: () => void; postmaster: () => number } {
  const path = mkdtempSync(join(tmpdir(), 'machi-process-'));
  return {
    path,
    remove: () => rmSync(path, { recursive: true, force: true }),
    postmaster: () => Number(readFileSync(join(path, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]),
  };
}

/**
 * Starts `dist/src/<program>.js`, which `npm test` has built. Of this process's environment only PATH is passed on. Listens on
 * a free port of the loopback interface.
 */
export function launch(
  env: Record<string, string>,
  program = 'main',
  { cwd = tmpdir(), options = [], args = [], stdout: file }: LaunchOptions = {},
): MachiProcess {
  const child = spawn(process.execPath, [...options, join(packageRoot(), `dist/src/${program}.js`), ...args], {
    cwd,
    env: { PATH: process.env['PATH'], NODE_ENV: 'development', PORT: '0', BCRYPT_COST: '4', ...env },
    stdio: ['ignore', file ?? 'pipe', 'pipe'],
  });
  let output = '';
  let stdout = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    output: () => output,
    stdout: () => stdout,
    get url() {
      return /API +(\S+)\/api/.exec(output)?.[1] ?? '';
    },
    ended,
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** Resolves when the process listens. Throws, with its output, when it ends before that. */
export async function whenServing(machi: MachiProcess): Promise<MachiProcess> {
  const dead = machi.ended.then((code) => {
    throw new Error(`Machi ended with ${code}:\n${machi.output()}`);
  });
  dead.catch(() => undefined);
  while (machi.url === '') await Promise.race([once(machi.child.stdout!, 'data'), dead]);
  return machi;
}

/** Whether a process with this id runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')); // a zombie has ended
  } catch {
    return false;
  }
}

/** Whether `limitDescriptors` works here. */
export const canLimitDescriptors = spawnSync('prlimit', ['--version']).status === 0;

/** Lets a process open only this many more files and connections; any number when undefined. */
export function limitDescriptors({ child }: Pick<MachiProcess, 'child'>, more?: number): void {
  const pid = String(child.pid);
  const used = readdirSync(`/proc/${pid}/fd`).map(Number);
  const unused = Array.from({ length: used.length + 1 + (more ?? 0) }, (_, number) => number).filter(
    (number) => !used.includes(number),
  );
  const limit = more === undefined ? 10_000 : unused[more]!; // the numbers below it that are not used
  spawnSync('prlimit', ['--pid', pid, `--nofile=${limit}:`]);
}
