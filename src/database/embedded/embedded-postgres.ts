import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseConnection } from '../../config/config.js';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import { EmbeddedPostgresError } from './postgres-binaries.js';
import { exited, lastLine, PostgresCluster } from './postgres-cluster.js';
import { PostgresProcess } from './postgres-process.js';

const PORT = 5432; // only a file name here: the server listens on a socket inside its data folder, never on the network
const SOCKET = `.s.PGSQL.${PORT}`;
const SOCKET_PATH_LIMIT = 103; // sun_path: 104 bytes on macOS, 108 on Linux
const PATIENCE_MS = 60_000;
/** How long a live server may leave us without any answer. */
const SILENCE_MS = 10_000;

const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_error_verbosity: 'terse', // a constraint's detail and a failing statement hold people's data
  log_min_error_statement: 'panic',
};

interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/**
 * A real PostgreSQL server kept for one machine's Machi, its data in `<dataDir>/postgres`.
 *
 * The server outlives a killed Machi and is adopted by the next one; several Machis on one folder share it, and the last
 * to stop stops it. Which of them are alive is known by their database connections alone, so nothing goes stale.
 */
export class EmbeddedPostgres {
  /** Known once started. */
  readonly connection: DatabaseConnection = { host: '', port: PORT, database: 'machi', user: 'machi', password: '' };
  private readonly cluster: PostgresCluster;
  private readonly server: PostgresProcess;
  /** Kept open: names the cluster to us where its path is too long for a socket. */
  private clusterFd = -1;
  private lease: pg.Client | undefined;
  private stopping = false;
  /** What is under way: starting, or bringing back. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    dataDir: string,
    private readonly log: Log,
    private readonly settings: Record<string, string> = {},
  ) {
    this.cluster = new PostgresCluster(dataDir);
    this.server = new PostgresProcess(this.cluster.folder, SOCKET);
  }

  /** Starts the server, or joins the one already running, and makes sure of its role and database. */
  start(): Promise<void> {
    this.work = this.begin().catch((error: NodeJS.ErrnoException) => {
      if (error.path === undefined) throw error;
      throw new EmbeddedPostgresError(`The folder ${dirname(this.cluster.folder)} cannot be used (${error.message}).`, {
        cause: error,
      });
    });
    return this.work;
  }

  /** Leaves the server, and stops it when nobody else uses it; also in the middle of starting. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.cluster.abort();
    await this.work.catch(() => undefined);
    if (await this.releaseLease()) await this.shutDown();
    if (this.clusterFd >= 0) fs.closeSync(this.clusterFd);
    this.clusterFd = -1;
  }

  private async begin(): Promise<void> {
    await this.cluster.ensure();
    this.clusterFd = fs.openSync(this.cluster.folder, 'r');
    this.connection.host = this.socketFolder();
    this.connection.password = this.cluster.password;
    await this.acquire();
    await this.ensureDatabase();
  }

  private socketFolder(): string {
    if (Buffer.byteLength(join(this.cluster.folder, SOCKET)) <= SOCKET_PATH_LIMIT) return this.cluster.folder;
    if (process.platform === 'linux') return `/proc/self/fd/${this.clusterFd}`;
    throw new EmbeddedPostgresError(
      `The path ${this.cluster.folder} is too long for a socket; choose a shorter DATA_DIR.`,
    );
  }

  /** Joins a running server, or starts one, until the lease is held. */
  private async acquire(): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    let silentSince: number | undefined;
    let reason = '';
    while (Date.now() < deadline && !this.stopping) {
      try {
        this.lease = await this.takeLease();
        return;
      } catch (error) {
        reason = (error as Error).message;
      }
      const pid = this.server.pid();
      if (pid === undefined) {
        reason = (await this.launchServer()) ?? reason;
      } else if (/timeout/i.test(reason) && Date.now() - (silentSince ??= Date.now()) > SILENCE_MS) {
        this.log.warn(`the embedded PostgreSQL (pid ${pid}) does not answer: replacing it`);
        this.server.killAll(pid);
        silentSince = undefined;
      } else if (!/timeout/i.test(reason)) {
        silentSince = undefined; // it answers, if only that it is starting
      }
      await sleep(50);
    }
    if (this.stopping) throw new EmbeddedPostgresError('Stopped while starting the embedded PostgreSQL.');
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL did not start: ${reason}; see ${this.cluster.folder}.log.`,
    );
  }

  private async takeLease(): Promise<pg.Client> {
    const { host, port, password } = this.connection;
    const admin = { host, port, password, user: 'postgres', database: 'postgres', application_name: 'machi lease' };
    const client = new pg.Client({ ...admin, connectionTimeoutMillis: 2000, query_timeout: 5000 });
    client.on('error', () => undefined); // 'end' follows
    try {
      await client.connect();
      await client.query('select pg_advisory_lock_shared($1)', [ADVISORY_LOCKS.embeddedServer]);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    const watch = setInterval(() => this.hurryShutdown(), 2000).unref();
    client.once('end', () => {
      clearInterval(watch);
      this.onLost();
    });
    return client;
  }

  /** Somebody sent the server a SIGTERM: it takes no new clients then, and waits for the old ones, of which we are one. */
  private hurryShutdown(): void {
    const pid = this.server.status() === 'stopping' ? this.server.pid() : undefined;
    if (pid !== undefined && !this.stopping) process.kill(pid, 'SIGINT');
  }

  /** The server went away under us (killed, crashed): bring it back, as often as it takes. The socket's path stays. */
  private onLost(): void {
    this.lease = undefined;
    if (this.stopping) return;
    this.log.warn('the embedded PostgreSQL went away: bringing it back');
    this.work = this.bringBack();
  }

  private async bringBack(): Promise<void> {
    while (!this.stopping && !this.lease) {
      await this.acquire().catch(async (error: Error) => {
        this.log.warn(error.message);
        await sleep(1000);
      });
    }
  }

  /** Starts the server and waits until it has taken its place; tells why when it ended instead. */
  private async launchServer(): Promise<string | undefined> {
    this.server.removeStale();
    const logFile = `${this.cluster.folder}.log`;
    const isLong = (fs.statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > 10_000_000;
    const log = fs.openSync(logFile, isLong ? 'w' : 'a', 0o600);
    const settings = { ...SETTINGS, cluster_name: this.server.marker, ...this.settings };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = this.cluster.launch(
      'postgres',
      ['-k', '.', '-p', String(PORT), ...options],
      { '-D': this.cluster.folder },
      log,
    );
    fs.closeSync(log);
    child.unref();
    const ended = exited(child);
    ended.catch(() => undefined);
    for (const deadline = Date.now() + SILENCE_MS; Date.now() < deadline;) {
      if (this.server.pid() === child.pid) return undefined;
      const hasEnded = await Promise.race([ended.then(() => true), sleep(10, false)]);
      if (hasEnded) break;
    }
    return lastLine(fs.readFileSync(logFile, 'utf8'));
  }

  /** True when no other Machi holds the lease: it is then held exclusively, so that none can join a server about to stop. */
  private async releaseLease(): Promise<boolean> {
    try {
      const client = this.lease ?? (await this.takeLeaseToStop());
      if (!client) return false;
      await client.query('select pg_advisory_unlock_shared($1)', [ADVISORY_LOCKS.embeddedServer]);
      const { rows } = await client.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [
        ADVISORY_LOCKS.embeddedServer,
      ]);
      if (!rows[0]?.last) await client.end();
      return rows[0]?.last ?? false;
    } catch {
      return false; // the server is gone or going
    }
  }

  /** Stopped while the server was still coming up: wait for it, to stop it in good order. */
  private async takeLeaseToStop(): Promise<pg.Client | undefined> {
    for (const deadline = Date.now() + 5000; Date.now() < deadline && this.server.pid() !== undefined;) {
      const client = await this.takeLease().catch(() => sleep(50, undefined));
      if (client) return client;
    }
    return undefined;
  }

  private async shutDown(): Promise<void> {
    const pid = this.server.pid();
    if (pid === undefined) return;
    process.kill(pid, 'SIGINT'); // "fast": ends connections, writes everything, stops
    for (const deadline = Date.now() + 20_000; this.server.pid() === pid; await sleep(20)) {
      if (Date.now() < deadline) continue;
      this.log.warn('the embedded PostgreSQL does not stop: ending it; it recovers at the next start');
      return this.server.killAll(pid);
    }
  }

  /** The application's own role may not read server files or run programs, whatever a hole in it would let in. */
  private async ensureDatabase(): Promise<void> {
    const { user, database, password } = this.connection;
    const statements = [`create role ${user} login createdb password '${password}'`, `create database ${database} owner ${user}`]; // prettier-ignore
    for (const statement of statements) {
      await this.lease?.query(statement).catch((error: { code?: string }) => {
        if (!['42710', '42P04', '23505'].includes(error.code ?? '')) throw error; // it exists
      });
    }
  }
}
