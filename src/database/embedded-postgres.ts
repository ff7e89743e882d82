import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseConnection } from '../config.js';
import { type Account, chooseAccount, EmbeddedPostgresError, preparePostgres } from './postgres-binaries.js';

/** Held shared by every Machi that uses the server; whoever gets it exclusively is the last and may stop the server. */
const LEASE = 0x6d616368;
const PORT = 5432; // only a file name here: the server listens on a socket inside its data folder, never on the network
const PATIENCE_MS = 60_000;
const SILENCE_MS = 10_000;
const SOCKET_PATH_LIMIT = 103; // sun_path: 104 bytes on macOS, 108 on Linux

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
  readonly connection: DatabaseConnection;
  private readonly cluster: string;
  private readonly account: Account | undefined;
  private readonly binaries: string;
  private readonly settings: string[];
  private readonly log: Log;
  /** Kept open: names the cluster for a server, or a socket path, that could not reach it by its long or closed path. */
  private clusterFd = -1;
  private lease: pg.Client | undefined;
  private stopping = false;
  /** Under way since the server went away. */
  private recovery: Promise<void> | undefined;

  private constructor(dataDir: string, log: Log, settings: Record<string, string>) {
    this.log = log;
    this.settings = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.cluster = join(dataDir, 'postgres');
    this.account = chooseAccount(this.cluster);
    this.binaries = preparePostgres(this.account);
    this.connection = { host: '', port: PORT, database: 'machi', user: 'machi', password: '' };
  }

  /** Starts the server, or joins the one already running, and makes sure of its role and database. */
  static async start(dataDir: string, log: Log, settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const postgres = new EmbeddedPostgres(realpathSync(dataDir), log, settings);
    await postgres.initialise();
    await postgres.acquire();
    await postgres.ensureDatabase();
    return postgres;
  }

  /** Leaves the server, and stops it when nobody else uses it. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.recovery;
    const last = await this.releaseLease();
    if (last) await this.shutDown();
    if (this.clusterFd >= 0) closeSync(this.clusterFd);
    this.clusterFd = -1;
  }

  // The cluster ------------------------------------------------------------------------------------------------------

  private async initialise(): Promise<void> {
    if (!existsSync(join(this.cluster, 'PG_VERSION'))) await this.createCluster();
    const { uid } = statSync(this.cluster);
    const mine = this.account?.uid ?? process.getuid?.();
    if (uid !== mine) {
      throw new EmbeddedPostgresError(
        `${this.cluster} belongs to another user (uid ${uid}); start Machi as that user or choose another DATA_DIR.`,
      );
    }
    this.clusterFd = openSync(this.cluster, 'r');
    const password = readFileSync(join(this.cluster, 'machi-password'), 'utf8');
    Object.assign(this.connection, { host: this.socketFolder(), password });
  }

  /** Built under another name and renamed when whole: neither a kill nor a second Machi can leave half a cluster. */
  private async createCluster(): Promise<void> {
    const draft = `${this.cluster}.init-${process.pid}`;
    const passwordFile = `${draft}.password`;
    this.removeAbandonedDrafts();
    mkdirSync(draft, { mode: 0o700 });
    writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    this.giveAway(draft, passwordFile);
    try {
      const options = ['-U', 'postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--no-instructions'];
      const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
      const child = this.launch('initdb', [...options, ...locale], { '-D': draft, '--pwfile': passwordFile }, 'pipe');
      let output = '';
      child.stdout?.on('data', (chunk) => (output += String(chunk)));
      child.stderr?.on('data', (chunk) => (output += String(chunk)));
      const code = await exited(child);
      if (code !== 0) throw new EmbeddedPostgresError(`initdb failed: ${lastLine(output)}.`);
      renameSync(passwordFile, join(draft, 'machi-password'));
      renameSync(draft, this.cluster);
    } catch (error) {
      if (!existsSync(join(this.cluster, 'PG_VERSION'))) throw error; // else another Machi was faster
    } finally {
      for (const path of [draft, passwordFile]) rmSync(path, { recursive: true, force: true });
    }
  }

  private removeAbandonedDrafts(): void {
    for (const name of readdirSync(dirname(this.cluster))) {
      const pid = Number(/^postgres\.init-(\d+)/.exec(name)?.[1]);
      if (pid && !isAlive(pid)) rmSync(join(dirname(this.cluster), name), { recursive: true, force: true });
    }
  }

  private giveAway(...paths: string[]): void {
    if (this.account) for (const path of paths) chownSync(path, this.account.uid, this.account.gid);
  }

  private socketFolder(): string {
    if (Buffer.byteLength(`${this.cluster}/.s.PGSQL.${PORT}`) <= SOCKET_PATH_LIMIT) return this.cluster;
    if (process.platform === 'linux') return `/proc/self/fd/${this.clusterFd}`;
    throw new EmbeddedPostgresError(`The path ${this.cluster} is too long for a socket; choose a shorter DATA_DIR.`);
  }

  // The server -------------------------------------------------------------------------------------------------------

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
      const pid = this.runningServer();
      if (pid === undefined) {
        reason = (await this.launchServer()) ?? reason;
      } else if (/timeout/i.test(reason) && Date.now() - (silentSince ??= Date.now()) > SILENCE_MS) {
        this.log.warn(`the embedded PostgreSQL (pid ${pid}) does not answer: replacing it`);
        await this.kill(pid);
        silentSince = undefined;
      } else {
        await sleep(50);
      }
    }
    throw new EmbeddedPostgresError(`The embedded PostgreSQL did not start: ${reason}; see ${this.cluster}.log.`);
  }

  private async takeLease(): Promise<pg.Client> {
    const { host, port, password } = this.connection;
    const client = new pg.Client({
      host,
      port,
      password,
      user: 'postgres',
      database: 'postgres',
      connectionTimeoutMillis: 2000,
      application_name: 'machi lease',
    });
    client.on('error', () => undefined); // 'end' follows
    await client.connect();
    await client.query('select pg_advisory_lock_shared($1)', [LEASE]);
    client.once('end', () => this.onLost());
    return client;
  }

  /** The server went away under us (killed, crashed): bring it back, as often as it takes. The socket's path stays. */
  private onLost(): void {
    if (this.stopping) return;
    this.log.warn('the embedded PostgreSQL went away: bringing it back');
    this.lease = undefined;
    this.recovery = this.bringBack();
  }

  private async bringBack(): Promise<void> {
    while (!this.stopping && !this.lease) {
      await this.acquire().catch(async (error: Error) => {
        this.log.warn(error.message);
        await sleep(1000);
      });
    }
  }

  /** The pid of a live server on this very folder. A pid file may be left over, and its pid be somebody else's by now. */
  private runningServer(): number | undefined {
    const file = join(this.cluster, 'postmaster.pid');
    let content: string;
    try {
      content = readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
    const pid = Number(content.split('\n')[0]);
    if (isAlive(pid) && this.isOurs(pid)) return pid;
    if (isAlive(pid) && readFileSync(file, 'utf8') === content) rmSync(file); // PostgreSQL would take the stranger for a server
    return undefined;
  }

  private isOurs(pid: number): boolean {
    try {
      if (process.platform === 'linux') return readlinkSync(`/proc/${pid}/cwd`) === this.cluster;
      return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { stdio: 'pipe' })
        .toString()
        .includes('postgres');
    } catch {
      return false;
    }
  }

  /** Starts the server and waits until it has taken its place; tells why when it ended at once. */
  private async launchServer(): Promise<string | undefined> {
    const logFile = `${this.cluster}.log`;
    const log = openSync(logFile, existsSync(logFile) && statSync(logFile).size > 10_000_000 ? 'w' : 'a', 0o600);
    const fixed = {
      listen_addresses: '',
      unix_socket_permissions: '0700',
      timezone: 'UTC',
      log_timezone: 'UTC',
      cluster_name: 'machi',
      log_error_verbosity: 'terse',
      log_min_error_statement: 'panic',
    };
    const options = Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = this.launch(
      'postgres',
      ['-k', '.', '-p', String(PORT), ...options, ...this.settings],
      { '-D': this.cluster },
      log,
    );
    closeSync(log);
    child.unref();
    const ended = exited(child);
    while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      if (this.runningServer() === child.pid) return undefined;
      await Promise.race([ended, sleep(10)]);
    }
    await ended;
    await sleep(100);
    return lastLine(readFileSync(logFile, 'utf8'));
  }

  /**
   * Runs one of the binaries as the right user. Paths below a folder that only root can enter are handed over as open
   * descriptors, which Linux lets the other user pass through. A session of its own keeps a terminal's Ctrl-C away.
   */
  private launch(
    command: string,
    args: string[],
    paths: Record<string, string>,
    output: 'pipe' | number,
  ): ChildProcess {
    const descriptors: number[] = [];
    for (const [flag, path] of Object.entries(paths)) {
      if (this.account && process.platform === 'linux') {
        args = [...args, ...flagged(flag, `/proc/self/fd/${3 + descriptors.length}`)];
        descriptors.push(openSync(path, 'r'));
      } else {
        args = [...args, ...flagged(flag, path)];
      }
    }
    const env = { LC_ALL: 'C', PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
    const child = spawn(join(this.binaries, 'bin', command), args, {
      ...this.account,
      env,
      cwd: '/',
      detached: true,
      stdio: ['ignore', output, output, ...descriptors],
    });
    for (const descriptor of descriptors) closeSync(descriptor);
    return child;
  }

  private async kill(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid) && this.isOurs(pid)) await sleep(20);
  }

  /** True when no other Machi holds the lease: it is then held exclusively, so that none can join a server about to stop. */
  private async releaseLease(): Promise<boolean> {
    const client = this.lease ?? (await this.takeLease().catch(() => undefined));
    if (!client) return false;
    try {
      await client.query('select pg_advisory_unlock_shared($1)', [LEASE]);
      const { rows } = await client.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [LEASE]);
      if (!rows[0]?.last) await client.end();
      return rows[0]?.last ?? false;
    } catch {
      return false; // the server is gone or going
    }
  }

  private async shutDown(): Promise<void> {
    const pid = this.runningServer();
    if (pid === undefined) return;
    process.kill(pid, 'SIGINT'); // "fast": ends connections, writes everything, stops
    const deadline = Date.now() + 20_000;
    while (this.runningServer() === pid) {
      if (Date.now() > deadline) {
        this.log.warn('the embedded PostgreSQL does not stop: ending it; it recovers at the next start');
        return void process.kill(pid, 'SIGQUIT');
      }
      await sleep(20);
    }
  }

  /** The application's own role may not read server files or run programs, whatever a hole in it would let in. */
  private async ensureDatabase(): Promise<void> {
    const { user, database, password } = this.connection;
    const statements = [
      `create role ${user} login createdb password '${password}'`,
      `create database ${database} owner ${user}`,
    ];
    for (const statement of statements) {
      await this.lease?.query(statement).catch((error: { code?: string }) => {
        if (!['42710', '42P04', '23505'].includes(error.code ?? '')) throw error; // it exists
      });
    }
  }
}

const flagged = (flag: string, value: string): string[] =>
  flag.startsWith('--') ? [`${flag}=${value}`] : [flag, value];

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';

const exited = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new EmbeddedPostgresError(`PostgreSQL cannot be run: ${error.message}.`)));
    child.once('close', resolve);
  });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
