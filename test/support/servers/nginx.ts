import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../../src/common/version.js';
import { freePort } from './postgres-server.js';

const PROGRAM = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));

export const hasNginx = PROGRAM !== undefined && spawnSync(PROGRAM, ['-v']).status === 0;

/** The proxy of docker-compose.prod.yml with its deploy/nginx.conf, before the server at `target`. */
export async function startNginx(target: string, replace: (config: string) => string = (config) => config) {
  const folder = mkdtempSync(join(tmpdir(), 'machi-nginx-'));
  chmodSync(folder, 0o755); // its workers run as another user when it is started by root
  const port = await freePort();
  const config = readFileSync(join(packageRoot(), 'deploy/nginx.conf'), 'utf8')
    .replaceAll('/tmp/', `${folder}/`)
    .replace('/dev/stderr', `${folder}/error.log`) // a child's standard error is a socket, which cannot be opened
    .replace('http://api:5000', target);
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, replace(config));
  writeFileSync(join(folder, 'listen.conf'), `listen 127.0.0.1:${port};\n`);
  const child = spawn(PROGRAM!, ['-e', join(folder, 'error.log'), '-p', folder, '-c', file, '-g', 'daemon off;'], {
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/api/health`).catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(join(folder, 'error.log'), 'utf8')}`);
    await sleep(20);
  }
  return {
    url,
    port,
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true });
    },
  };
}
