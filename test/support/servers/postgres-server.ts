import * as fs from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';
import { PostgresCluster } from '../../../src/database/embedded/postgres-cluster.js';

/** Whether the loopback interface has an IPv6 address. */
export const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

interface Options {
  settings?: Record<string, string>;
  /** Lines of pg_hba.conf. */
  access: string[];
  /** Files that are copied into the data folder, readable for the server only. */
  files?: Record<string, string>;
}

/** A PostgreSQL server on a free TCP port of the loopback interface, for what the server of the test run cannot do. */
export async function startPostgresServer({ settings = {}, access, files = {} }: Options) {
  const folder = fs.mkdtempSync(join(tmpdir(), 'machi-postgres-'));
  const cluster = new PostgresCluster(folder);
  await cluster.ensure();
  const { uid, gid } = fs.statSync(cluster.folder);
  for (const [name, file] of Object.entries(files)) {
    const copy = join(cluster.folder, name);
    fs.copyFileSync(file, copy);
    fs.chmodSync(copy, 0o600);
    fs.chownSync(copy, uid, gid);
  }
  const setAccess = (lines: string[]): void =>
    fs.writeFileSync(join(cluster.folder, 'pg_hba.conf'), `${lines.join('\n')}\n`);
  setAccess(access);
  const port = await freePort();
  const options = Object.entries({
    listen_addresses: hasIpv6 ? '127.0.0.1,::1' : '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    ...settings,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = cluster.launch('postgres', ['-p', String(port), ...options], { '-D': cluster.folder }, 'pipe');
  let output = '';
  child.stderr?.on('data', (chunk) => (output += String(chunk)));
  const connection: DatabaseConnection = {
    host: 'localhost',
    port,
    user: 'postgres',
    password: cluster.password,
    database: 'postgres',
  };
  while (!/ready to accept connections/.test(output)) {
    if (child.exitCode !== null) throw new Error(output);
    await sleep(20);
  }
  return {
    connection,
    async stop(): Promise<void> {
      child.kill('SIGINT');
      if (child.exitCode === null) await once(child, 'exit');
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs statements and returns the rows of the last one. */
export async function query<Row extends pg.QueryResultRow>(connection: pg.ClientConfig, sql: string): Promise<Row[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
