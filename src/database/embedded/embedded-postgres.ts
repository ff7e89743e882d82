import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from '../../config/database-connection.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { exited, lastLine, PostgresCluster } from './postgres-cluster.js';
import { PostgresProcess } from './postgres-process.js';
import { NoAnswerError, ServerLease } from './server-lease.js';

const PORT = 5432; // part of a file name: the server listens on a socket in its data folder, never on the network
const SOCKET = `.s.PGSQL.${PORT}`;
const SOCKET_PATH_LIMIT = 103; // sun_path: 104 bytes on macOS, 108 on Linux
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** A process of the server that does not answer for this long is replaced. */
const UNRESPONSIVE_MS = 10_000;
/** How long a stop waits for a server that is still starting. */
const STARTING_TIMEOUT_MS = 5_000;
const RESTART_DELAY_MS = 1_000;
const MAX_LOG_BYTES = 10_000_000;

const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_error_verbosity: 'terse', // details of constraints and failed statements contain personal data
  log_min_error_statement: 'panic',
};

const DUPLICATE_OBJECT = '42710';
const DUPLICATE_DATABASE = '42P04';
const UNIQUE_VIOLATION = '23505'; // of two processes that create the same role or database at once

/** Version 0.1.0 created the role with this right. The lock on the row serialises processes that start at once. */
const REVOKE_CREATEDB = `do $$ begin
  perform from pg_authid where rolname = 'machi' and rolcreatedb for update;
  if found then alter role machi nocreatedb; end if;
end $$`;

interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/**
 * A PostgreSQL server for the processes on one machine, with its data in `<dataDir>/postgres`.
 *
 * Several processes share it; the last one to stop stops it. It survives a killed process, and the next process uses it. The
 * leases of the processes (see ServerLease) are connections, so a killed process leaves nothing to clean up.
 */
export class EmbeddedPostgres {
  /** Complete once started. */
  readonly connection: DatabaseConnection = { host: '', port: PORT, database: 'machi', user: 'machi', password: '' };
  private readonly cluster: PostgresCluster;
  private readonly server: PostgresProcess;
  /** Open while in use: gives the cluster a short path, where its own is too long for a socket. */
  private clusterFd = -1;
  private lease: ServerLease | undefined;
  private isStopping = false;
  /** The start or restart that is in progress. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    dataDir: string,
    private readonly log: Log,
    private readonly settings: Record<string, string> = {},
  ) {
    this.cluster = new PostgresCluster(dataDir);
    this.server = new PostgresProcess(this.cluster.folder, SOCKET);
  }

  /** Starts the server or uses the one that runs, and creates role and database. Throws EmbeddedPostgresError. */
  start(): Promise<void> {
    this.work = this.startServer().catch((error: NodeJS.ErrnoException) => {
      if (error.path === undefined) throw error;
      throw new EmbeddedPostgresError(`The folder ${dirname(this.cluster.folder)} cannot be used (${error.message}).`, {
        cause: error,
      });
    });
    return this.work;
  }

  /** Stops the server unless another process uses it. Can also be called during a start. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.cluster.abort();
    await this.work.catch(() => undefined);
    if (await this.releaseLease()) await this.stopServer();
    if (this.clusterFd >= 0) fs.closeSync(this.clusterFd);
    this.clusterFd = -1;
  }

  private async startServer(): Promise<void> {
    await this.cluster.ensure();
    this.clusterFd = fs.openSync(this.cluster.folder, 'r');
    this.connection.host = this.socketFolder();
    this.connection.password = this.cluster.password;
    await this.acquireLease();
    await this.ensureDatabase();
  }

  private socketFolder(): string {
    if (Buffer.byteLength(join(this.cluster.folder, SOCKET)) <= SOCKET_PATH_LIMIT) return this.cluster.folder;
    if (process.platform === 'linux') return `/proc/self/fd/${this.clusterFd}`;
    throw new EmbeddedPostgresError(
      `The path ${this.cluster.folder} is too long for a socket; choose a shorter DATA_DIR.`,
    );
  }

  /** Repeats until the lease is taken: starts the server if none runs, and replaces one that does not answer. */
  private async acquireLease(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    let unansweredSince: number | undefined;
    let reason = '';
    while (Date.now() < deadline && !this.isStopping) {
      try {
        this.lease = await ServerLease.take(this.connection);
        this.lease.onEnd(() => this.onLeaseLost());
        return;
      } catch (error) {
        reason = (error as Error).message;
        unansweredSince = error instanceof NoAnswerError ? (unansweredSince ?? Date.now()) : undefined;
      }
      const pid = this.server.pid();
      if (pid === undefined) {
        reason = (await this.launchServer()) ?? reason;
      } else if (unansweredSince !== undefined && Date.now() - unansweredSince > UNRESPONSIVE_MS) {
        this.log.warn(`Embedded PostgreSQL (pid ${pid}) does not respond; replacing it`);
        this.server.killAll(pid);
        unansweredSince = undefined;
      }
      await sleep(50);
    }
    if (this.isStopping) throw new EmbeddedPostgresError('Stopped while starting the embedded PostgreSQL.');
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL did not start: ${reason}; see ${this.cluster.folder}.log.`,
    );
  }

  /** The server was killed or crashed. Its socket path stays the same, so the pool reconnects to the new one. */
  private onLeaseLost(): void {
    this.lease = undefined;
    if (this.isStopping) return;
    this.log.warn('Connection to the embedded PostgreSQL lost; restarting the server');
    this.work = this.restart();
  }

  private async restart(): Promise<void> {
    while (!this.isStopping && !this.lease) {
      await this.acquireLease().catch(async (error: Error) => {
        this.log.warn(error.message);
        await sleep(RESTART_DELAY_MS);
      });
    }
  }

  /** Starts a server and waits for its pid file. Returns the last line of its log if it ended instead. */
  private async launchServer(): Promise<string | undefined> {
    this.server.removeStale();
    const logFile = `${this.cluster.folder}.log`;
    const isFull = (fs.statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES;
    const log = fs.openSync(logFile, isFull ? 'w' : 'a', 0o600);
    const settings = { ...SETTINGS, cluster_name: this.server.marker, ...this.settings };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const args = ['-k', '.', '-p', String(PORT), ...options];
    const child = this.cluster.launch('postgres', args, { '-D': this.cluster.folder }, log);
    fs.closeSync(log);
    child.unref();
    const ended = exited(child);
    ended.catch(() => undefined);
    for (const deadline = Date.now() + UNRESPONSIVE_MS; Date.now() < deadline;) {
      if (this.server.pid() === child.pid) return undefined;
      const hasEnded = await Promise.race([ended.then(() => true), sleep(10, false)]);
      if (hasEnded) break;
    }
    return lastLine(fs.readFileSync(logFile, 'utf8'));
  }

  /** Returns true if no other process uses the server. */
  private async releaseLease(): Promise<boolean> {
    try {
      const lease = this.lease ?? (await this.takeLeaseOfStarting());
      return (await lease?.release()) ?? false;
    } catch {
      return false; // the server has ended or is ending
    }
  }

  /** A stop during the start waits for the server, because it can then be stopped cleanly. */
  private async takeLeaseOfStarting(): Promise<ServerLease | undefined> {
    for (const deadline = Date.now() + STARTING_TIMEOUT_MS; Date.now() < deadline && this.server.pid() !== undefined;) {
      const lease = await ServerLease.take(this.connection).catch(() => sleep(50, undefined));
      if (lease) return lease;
    }
    return undefined;
  }

  private async stopServer(): Promise<void> {
    const pid = this.server.pid();
    if (pid === undefined) return;
    process.kill(pid, 'SIGINT'); // fast shutdown: closes all connections and writes everything to disk
    for (const deadline = Date.now() + STOP_TIMEOUT_MS; this.server.pid() === pid; await sleep(20)) {
      if (Date.now() < deadline) continue;
      this.log.warn('Embedded PostgreSQL does not stop; killing it. It recovers at the next start');
      return this.server.killAll(pid);
    }
  }

  /**
   * The role of the application owns its database and can do nothing else: it can neither create databases, nor read files
   * of the server, nor run programs.
   */
  private async ensureDatabase(): Promise<void> {
    const { user, database, password } = this.connection;
    await this.createUnlessExists(`create role ${user} login password '${password}'`);
    await this.lease?.query(REVOKE_CREATEDB);
    await this.createUnlessExists(`create database ${database} owner ${user}`);
  }

  private async createUnlessExists(statement: string): Promise<void> {
    await this.lease?.query(statement).catch((error: { code?: string }) => {
      if (![DUPLICATE_OBJECT, DUPLICATE_DATABASE, UNIQUE_VIOLATION].includes(error.code ?? '')) throw error;
    });
  }
}
