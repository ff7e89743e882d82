import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from '../../config/database/database-connection.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { lastLine, PostgresCluster } from './postgres-cluster.js';
import { PostgresProcess } from './postgres-process.js';
import { ServerLease } from './server-lease.js';

const PORT = 5432; // part of a file name: the server listens on a socket in its data folder, never on the network
const SOCKET = `.s.PGSQL.${PORT}`;
const SOCKET_PATH_LIMIT = 103; // sun_path: 104 bytes on macOS, 108 on Linux
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** A server that accepts connections but does not answer for this long is replaced. */
const UNRESPONSIVE_MS = 10_000;
const RETRY_MS = 1_000;
const MAX_LOG_BYTES = 10_000_000;

const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_error_verbosity: 'terse', // details of constraints and failed statements contain personal data
  log_min_error_statement: 'panic',
};

/** Errors of connecting when no server listens on the socket. */
const NOT_LISTENING = ['ECONNREFUSED', 'ENOENT'];

/** SQLSTATEs of a role or database that exists; the last one when two processes create it at once. */
const DUPLICATE = ['42710', '42P04', '23505'];

/** Version 0.1.0 created the role with this right. The lock on the row serialises processes that start at once. */
const REVOKE_CREATEDB = `do $$ begin
  perform from pg_authid where rolname = 'machi' and rolcreatedb for update;
  if found then alter role machi nocreatedb; end if;
end $$`;

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
    private readonly log: { warn(message: string): void },
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

  /** Stops the server unless another process uses it. Waits for a start that is in progress. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.work.catch(() => undefined);
    const isLast = await this.lease?.release().catch(() => false); // fails if the server has ended
    if (isLast && !(await this.server.stop(STOP_TIMEOUT_MS))) {
      this.log.warn('Embedded PostgreSQL does not stop; killing it. It recovers at the next start');
      this.server.kill();
    }
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
    if (this.isStopping) throw new EmbeddedPostgresError('Stopped while starting the embedded PostgreSQL.');
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
    let launched: ChildProcess | undefined;
    let unansweredSince: number | undefined;
    for (const deadline = Date.now() + START_TIMEOUT_MS; ; await sleep(50)) {
      const error = await this.tryToTakeLease();
      if (!error) return;
      if (Date.now() > deadline) throw this.startError(launched ? this.lastLogLine() : error.message);
      unansweredSince = error.code === undefined ? (unansweredSince ?? Date.now()) : undefined;
      if (unansweredSince !== undefined && Date.now() - unansweredSince > UNRESPONSIVE_MS) {
        this.log.warn('Embedded PostgreSQL does not respond; replacing it');
        this.server.kill();
        unansweredSince = undefined;
      }
      const isStarting = launched?.exitCode === null && launched.signalCode === null;
      if (isStarting || !NOT_LISTENING.includes(error.code ?? '')) continue;
      if (this.isStopping) throw this.startError('it was stopped');
      if (launched) await sleep(RETRY_MS);
      launched = this.launchServer();
    }
  }

  /** Returns the error of connecting; without `code` if the server did not answer. */
  private async tryToTakeLease(): Promise<NodeJS.ErrnoException | undefined> {
    try {
      this.lease = await ServerLease.take(this.connection);
      this.lease.onEnd(() => this.onLeaseLost());
      return undefined;
    } catch (error) {
      return error as NodeJS.ErrnoException;
    }
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
        await sleep(RETRY_MS);
      });
    }
  }

  /** Starts a server. It ends at once if another process is starting one. */
  private launchServer(): ChildProcess {
    this.server.removeOldFiles();
    const isFull = (fs.statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES;
    const log = fs.openSync(this.logFile, isFull ? 'w' : 'a', 0o600);
    const options = Object.entries({ ...SETTINGS, ...this.settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const args = ['-k', '.', '-p', String(PORT), ...options];
    const child = this.cluster.launch('postgres', args, { '-D': this.cluster.folder }, log);
    fs.closeSync(log);
    child.on('error', () => undefined); // it has ended then; see lastLogLine
    child.unref();
    return child;
  }

  private get logFile(): string {
    return `${this.cluster.folder}.log`;
  }

  private startError(reason: string): EmbeddedPostgresError {
    return new EmbeddedPostgresError(`The embedded PostgreSQL did not start: ${reason}; see ${this.logFile}.`);
  }

  private lastLogLine(): string {
    return lastLine(fs.readFileSync(this.logFile, 'utf8'));
  }

  /**
   * The role of the application owns its database and can do nothing else: it can neither create databases, nor read files
   * of the server, nor run programs.
   */
  private async ensureDatabase(): Promise<void> {
    const { user, database, password } = this.connection;
    await this.createUnlessExists(`create role ${user} login password '${password}'`);
    await this.lease?.execute(REVOKE_CREATEDB);
    await this.createUnlessExists(`create database ${database} owner ${user}`);
  }

  private async createUnlessExists(statement: string): Promise<void> {
    await this.lease?.execute(statement).catch((error: { code?: string }) => {
      if (!DUPLICATE.includes(error.code ?? '')) throw error;
    });
  }
}
