// From the start of the process until it answers, with an existing database and with the embedded one, and the idle memory after that.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer, usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { withWorld } from './support/world.mjs';

export const options = { rounds: 7, idleSeconds: 30 };

export function run({ rounds, idleSeconds = 10 }) {
  return withWorld({}, async ({ machi, settings }) => {
    await machi.stop(); // it has made the tables, so that all starts that are measured are later ones
    const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
    try {
      const production = { ...settings, NODE_ENV: 'production', RATE_LIMITS: 'on' };
      const embedded = {
        NODE_ENV: 'development',
        PORT: '0',
        DATA_DIR: dataDir,
        SECRET_KEY: randomBytes(32).toString('hex'),
      };
      await start(embedded);
      const [existing, second] = [[], []];
      for (let round = 0; round < rounds; round++) {
        existing.push(await start(production));
        second.push(await start(embedded));
      }
      const { rss } = await start(production, idleSeconds);
      const rows = [
        ['Start with an existing database', existing, 'ms'],
        ['Second start with the embedded database', second, 'ms'],
        [`Memory, ${idleSeconds} s after the start`, [{ rate: rss }], 'MiB'],
      ];
      return rows.flatMap(([title, results, unit]) => toRows(title, [{ name: 'Machi', rounds: results }], { unit }));
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
}

/** Starts Machi, waits until it is ready and stops it. The rate is the time that took, in milliseconds; CPU is that of its process. */
async function start(settings, idleSeconds = 0) {
  const before = performance.now();
  const { url, pid, stop } = await startServer('Machi', 'dist/src/main.js', settings);
  try {
    const { status } = await fetch(`${url}/api/health/ready`);
    if (status !== 200) throw new Error(`ready: ${status}`);
    const [rate, { cpu }] = [performance.now() - before, usage(pid)];
    await sleep(idleSeconds * 1000);
    return { rate, cpu: cpu * 1e6, rss: usage(pid).rss };
  } finally {
    await stop();
  }
}
