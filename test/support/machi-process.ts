import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/common/version.js';

export interface MachiProcess {
  child: ChildProcess;
  /** What it has written so far, both streams. */
  output: () => string;
  url: string;
  /** The exit code, once it has ended; null after a signal. */
  ended: Promise<number | null>;
  kill: (signal: NodeJS.Signals) => Promise<number | null>;
}

/** A data folder of its own, removed with `remove`. */
export function dataFolder(): { path: string; remove: () => void; postmaster: () => number } {
  const path = mkdtempSync(join(tmpdir(), 'machi-process-'));
  return {
    path,
    remove: () => rmSync(path, { recursive: true, force: true }),
    postmaster: () => Number(readFileSync(join(path, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]),
  };
}

/** The built Machi as a process of its own; `npm test` has built it. Nothing of this process's environment but PATH. */
export function launch(env: Record<string, string>, program = 'main'): MachiProcess {
  const file = join(packageRoot(), `dist/src/${program}.js`);
  const child = spawn(process.execPath, [file], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'], NODE_ENV: 'development', PORT: '0', BCRYPT_COST: '4', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    output: () => output,
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

/** Fails, with what it wrote, when it ends instead. */
export async function whenServing(machi: MachiProcess): Promise<MachiProcess> {
  const dead = machi.ended.then((code) => {
    throw new Error(`Machi ended with ${code}:\n${machi.output()}`);
  });
  dead.catch(() => undefined);
  while (machi.url === '') await Promise.race([once(machi.child.stdout!, 'data'), dead]);
  return machi;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')); // an orphan that nobody has reaped is dead
  } catch {
    return false;
  }
}
