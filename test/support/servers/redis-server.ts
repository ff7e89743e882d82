import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './postgres-server.js';

export const REDIS_PROGRAM = ['/usr/bin/redis-server', '/usr/bin/valkey-server'].find((path) => fs.existsSync(path));

/** Whether tests with a real Redis can run; `.ci/run` installs it. */
export const hasRedis = REDIS_PROGRAM !== undefined && spawnSync(REDIS_PROGRAM, ['--version']).status === 0;

if (!hasRedis) process.stdout.write('redis-server is not installed: the tests with Redis are skipped\n');

/** A Redis on a free port of the loopback interface, without persistence. */
export async function startRedis() {
  const folder = fs.mkdtempSync(join(tmpdir(), 'machi-redis-'));
  const port = await freePort();
  let child: ChildProcess;
  const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => 50 });
  client.on('error', () => undefined);
  const start = async (): Promise<void> => {
    child = spawn(REDIS_PROGRAM!, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
      stdio: 'ignore',
    });
    if (client.status === 'wait') client.connect().catch(() => undefined);
    while (client.status !== 'ready') {
      if (child.exitCode !== null) throw new Error(`Redis ended with ${child.exitCode}`);
      await sleep(20);
    }
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  await start();
  return {
    client,
    url: `redis://127.0.0.1:${port}`,
    port,
    start,
    stop,
    /** Stops the process and lets it run again after this time. */
    async freeze(ms: number): Promise<void> {
      child.kill('SIGSTOP');
      await sleep(ms);
      child.kill('SIGCONT');
    },
    async remove(): Promise<void> {
      client.disconnect();
      await stop();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
