import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { type Account, chooseAccount, preparePostgres } from './postgres-binaries.js';
import { isRunning } from './postgres-process.js';

/** The data folder of the embedded PostgreSQL. Runs its programs as the user that owns the folder. */
export class PostgresCluster {
  readonly folder: string;
  private readonly account: Account | undefined;
  private readonly binaries: string;

  constructor(dataDir: string) {
    fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    this.folder = join(fs.realpathSync(dataDir), 'postgres');
    this.account = chooseAccount(this.folder);
    this.binaries = preparePostgres(this.account);
  }

  /** The password of the roles. Its file is readable by the server's user (and root) only. */
  get password(): string {
    return fs.readFileSync(join(this.folder, 'machi-password'), 'utf8');
  }

  /** Creates the cluster unless it exists. Throws EmbeddedPostgresError. */
  async ensure(): Promise<void> {
    this.assertOwner();
    if (!this.exists()) await this.create();
  }

  /**
   * Starts a program of PostgreSQL as the owner of the data. On Linux, paths are passed as open descriptors, because this user may
   * not be able to reach them by name. The program has its own session, so Ctrl-C in a terminal does not reach it.
   */
  launch(command: string, args: string[], paths: Record<string, string>, output: 'pipe' | number): ChildProcess {
    const byDescriptor = this.account !== undefined && process.platform === 'linux';
    const flags = Object.entries(paths).flatMap(([flag, path], i) => {
      const name = byDescriptor ? `/proc/self/fd/${3 + i}` : path;
      return flag === '-D' ? [flag, name] : [`${flag}=${name}`];
    });
    const descriptors = byDescriptor ? Object.values(paths).map((path) => fs.openSync(path, 'r')) : [];
    const env = { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' };
    const stdio = ['ignore' as const, output, output, ...descriptors];
    const options = { ...this.account, env, cwd: '/', detached: true, stdio };
    const child = spawn(join(this.binaries, 'bin', command), [...args, ...flags], options);
    for (const descriptor of descriptors) fs.closeSync(descriptor);
    return child;
  }

  private exists(): boolean {
    return fs.existsSync(join(this.folder, 'PG_VERSION'));
  }

  private assertOwner(): void {
    const owner = fs.statSync(this.folder, { throwIfNoEntry: false })?.uid;
    const user = this.account?.uid ?? process.getuid?.();
    if (owner === undefined || owner === user) return;
    const remedy = owner === 0 ? `chown -R it to user ${user}` : 'start Machi as that user or choose another DATA_DIR';
    throw new EmbeddedPostgresError(`${this.folder} belongs to user ${owner}: ${remedy}.`);
  }

  /** Creates it under another name and renames it when it is complete, so that no incomplete cluster is ever used. */
  private async create(): Promise<void> {
    const incomplete = `${this.folder}.init-${process.pid}-${randomBytes(4).toString('hex')}`;
    const passwordFile = `${incomplete}.password`;
    this.removeAbandonedFolders();
    fs.mkdirSync(incomplete, { mode: 0o700 });
    fs.writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (this.account)
      for (const path of [incomplete, passwordFile]) fs.chownSync(path, this.account.uid, this.account.gid);
    try {
      await this.runInitdb(incomplete, passwordFile);
      fs.renameSync(passwordFile, join(incomplete, 'machi-password'));
      fs.renameSync(incomplete, this.folder);
    } catch (error) {
      if (!this.exists()) throw error; // otherwise another process has created it
    } finally {
      for (const path of [incomplete, passwordFile]) fs.rmSync(path, { recursive: true, force: true });
    }
  }

  private async runInitdb(folder: string, passwordFile: string): Promise<void> {
    const options = ['-U', 'postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--no-instructions'];
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const initdb = this.launch('initdb', [...options, ...locale], { '-D': folder, '--pwfile': passwordFile }, 'pipe');
    let output = '';
    for (const stream of [initdb.stdout, initdb.stderr]) stream?.on('data', (text) => (output += text));
    const [code] = (await once(initdb, 'close')) as [number | null];
    if (code !== 0) throw new EmbeddedPostgresError(`initdb failed: ${lastLine(output)}.`);
  }

  /** Removes incomplete clusters of killed processes. In a container, an earlier process may have had the same pid as this one. */
  private removeAbandonedFolders(): void {
    const parent = dirname(this.folder);
    for (const name of fs.readdirSync(parent)) {
      const pid = Number(/^postgres\.init-(\d+)/.exec(name)?.[1]);
      const isAbandoned = pid === process.pid || (pid > 0 && !isRunning(pid));
      if (isAbandoned) fs.rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

/** The last line that is not empty. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';
