// Shared by the benchmarks: servers as separate processes, load in interleaved rounds, medians and ratios.
import autocannon from 'autocannon';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const CLOCK_TICKS = 100; // per second, on every Linux that Node runs on

/** Starts `node script` and waits for the line with its URL. Its log output is read and discarded. */
export async function startServer(name, script, env) {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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
  return { name, url, pid: child.pid, rounds: [], stop: () => child.kill('SIGTERM') && once(child, 'close') };
}

/** CPU seconds used so far, and resident memory in MiB, of a process. */
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  return { cpu: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS, rss };
}

/**
 * Loads the servers alternately (A B A B …) after an uncounted warm-up round, so that noise affects both. `headersOf` gives
 * the headers of each connection by its number.
 */
export async function interleave(
  servers,
  {
    path,
    headersOf = () => ({}),
    connections = 32,
    seconds = Number(process.env.SECONDS ?? 4),
    rounds = Number(process.env.ROUNDS ?? 7),
  },
) {
  for (let round = 0; round <= rounds; round++) {
    for (const server of servers) {
      const before = usage(server.pid);
      let connection = 0;
      const setupClient = (client) => client.setHeaders(headersOf(connection++));
      const result = await autocannon({ url: server.url + path, setupClient, connections, duration: seconds });
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

const FIGURES = { rate: 'requests/s', p50: 'p50 ms', p99: 'p99 ms', cpu: 'CPU µs/request', rss: 'memory MiB' };

/** Prints one row per figure: both medians, and the median of the ratios of paired rounds. */
export function report(one, other) {
  console.log(
    `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}, ${one.rounds.length} rounds each\n`,
  );
  console.log(['', one.name, other.name, 'ratio'].map((cell) => cell.padEnd(18)).join(''));
  for (const [figure, label] of Object.entries(FIGURES)) {
    const of = (server) => server.rounds.map((round) => round[figure]);
    const ratio = median(of(one).map((value, i) => value / of(other)[i]));
    const cells = [
      median(of(one)).toFixed(figure === 'rate' ? 0 : 1),
      median(of(other)).toFixed(figure === 'rate' ? 0 : 1),
      ratio.toFixed(2),
    ];
    console.log([label, ...cells].map((cell) => cell.padEnd(18)).join(''));
  }
}
