import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { refuse } from './development.mjs';
import { root } from './prepare.mjs';

const PATIENCE_MS = 120_000;

/** Starts a Machi with a database of its own, which is deleted when it stops. Sets ADMIN_PASSWORD of this process to its. */
export async function startTemporaryMachi(url) {
  console.error(`No Machi answers at ${url}: starting one with a temporary database …`);
  const { hostname, port, protocol } = new URL(url);
  if (protocol !== 'http:' || !['127.0.0.1', 'localhost'].includes(hostname)) refuse(`${url} is not on this machine.`);
  const folder = mkdtempSync(join(tmpdir(), 'machi-tour-'));
  process.env.ADMIN_PASSWORD = randomBytes(12).toString('base64url');
  delete process.env.ADMIN_USERNAME;
  const { PATH, HOME, ADMIN_PASSWORD } = process.env;
  const env = { PATH, HOME, ADMIN_PASSWORD, NODE_ENV: 'development', DATA_DIR: folder, HOST: '127.0.0.1', PORT: port };
  let output = '';
  const child = spawn(process.execPath, [join(root, 'dist/src/main.js')], { cwd: folder, env });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop().then(() => process.exit(1)));
  for (const until = Date.now() + PATIENCE_MS; ; await sleep(100)) {
    const isReady = await fetch(`${url}/api/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return { stop };
    if (child.exitCode === null && Date.now() < until) continue;
    await stop();
    refuse(`Machi did not start:\n${output}`);
  }
}
