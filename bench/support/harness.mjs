// Shared by the benchmarks: servers as separate processes, load in interleaved rounds, medians and ratios.
import autocannon from 'autocannon';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { stopOnInterrupt } from './interrupt.mjs';

/** The number of Machi's image workers. */
export const IMAGE_WORKERS = Math.min(4, cpus().length);

const CLOCK_TICKS = 100; // per second, on every Linux that Node runs on

/** Starts a script, with Node by default, and waits for the line with its URL. Its log output is read and discarded. */
export async function startServer(name, script, env, [command, ...options] = [process.execPath]) {
  const child = spawn(command, [...options, script], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = stopOnInterrupt(() => child.kill('SIGTERM') && once(child, 'close'));
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`${name} ended with ${code}`);
  });
  ended.catch(() => undefined);
  let output = '';
  let url;
  while (!url) {
    const [chunk] = await Promise.race([once(child.stdout, 'data'), ended]);
    output += chunk;
    url = /(http:\/\/[^\s/]+)/.exec(output)?.[1];
  }
  child.stdout.resume();
  return { name, url, pid: child.pid, rounds: [], stop };
}

/** CPU seconds used so far, and resident memory in MiB, of a process. */
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  return { cpu: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS, rss };
}

/** CPU seconds used so far by a process and its descendants, also by those that have ended. */
export function treeCpu(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / CLOCK_TICKS;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + treeCpu(child), own);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return 0; // it has just ended: its parent has its time
    throw error;
  }
}

/**
 * Loads the servers alternately (A B A B …) after an uncounted warm-up round of half the length, so that noise affects both.
 * `headersOf` gives the headers of each connection by its number, and `pathOf` of a server its path, if it is not that of all.
 */
export async function interleave(servers, { path, headersOf = () => ({}), connections = 32, seconds, rounds }) {
  for (let round = 0; round <= rounds; round++) {
    const duration = round === 0 ? Math.ceil(seconds / 2) : seconds;
    for (const server of servers) {
      const before = usage(server.pid);
      let connection = 0;
      const setupClient = (client) => {
        const [own, headers] = [server.pathOf?.(connection), headersOf(connection)];
        connection++;
        if (own === undefined) client.setHeaders(headers);
        else client.setRequests([{ method: 'GET', path: own, headers }]);
      };
      const result = await autocannon({ url: server.url + path, setupClient, connections, duration });
      const after = usage(server.pid);
      if (result.non2xx || result.errors)
        throw new Error(`${server.name}: ${result.non2xx} refused, ${result.errors} failed`);
      const { total } = result.requests;
      const { p50, p99 } = result.latency;
      if (round > 0) {
        server.rounds.push({
          rate: total / result.duration,
          p50,
          p99,
          cpu: ((after.cpu - before.cpu) / total) * 1e6,
          rss: after.rss,
        });
      }
    }
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
