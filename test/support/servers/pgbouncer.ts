import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';
import { freePort } from './postgres-server.js';

const PROGRAM = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => fs.existsSync(path));
const NOBODY = { uid: 65_534, gid: 65_534 };

export const hasPgBouncer = PROGRAM !== undefined && spawnSync(PROGRAM, ['--version']).status === 0;

/** PgBouncer before one database, with its defaults besides the mode and a small pool. It refuses to run as root. */
export async function startPgBouncer(target: DatabaseConnection, mode: 'session' | 'transaction') {
  const folder = fs.mkdtempSync(join(tmpdir(), 'machi-pgbouncer-'));
  const file = join(folder, 'pgbouncer.ini');
  const port = await freePort();
  const { host, port: targetPort, database, user, password } = target;
  const lines = [
    '[databases]',
    `${database} = host=${host} port=${targetPort} dbname=${database} user=${user} password=${password}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    `default_pool_size = ${mode === 'session' ? 40 : 5}`,
    'max_client_conn = 300',
  ];
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  for (const path of [folder, file]) fs.chmodSync(path, 0o755);
  const account = process.getuid?.() === 0 ? NOBODY : {};
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn(PROGRAM!, ['-q', file], { ...account, stdio: 'ignore' });
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`);
      await sleep(20);
    }
  };
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  };
  await start();
  return {
    url: `postgres://machi:unused@127.0.0.1:${port}/${database}`,
    restart: async (): Promise<void> => {
      await stop();
      await start();
    },
    async stop(): Promise<void> {
      await stop();
      fs.rmSync(folder, { recursive: true });
    },
  };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
