import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../../src/common/version.js';
import type { Credentials } from '../clients/chat-tester.js';
import { createDatabase } from '../setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from './machi-process.js';

const PASSWORD = 'cloudy harbour seven';
const FAILPOINT = pathToFileURL(join(packageRoot(), 'test/support/servers/die-before-publishing.mjs')).href;

export type Cluster = Awaited<ReturnType<typeof startCluster>>;

/** Processes of the built Machi on one database. */
export async function startCluster(count: number, env: Record<string, string>) {
  const database = await createDatabase();
  const folder = dataFolder();
  const settings = {
    DATA_DIR: folder.path,
    NODE_ENV: 'test',
    RATE_LIMITS: 'off',
    SECRET_KEY: randomBytes(32).toString('hex'),
    ADMIN_PASSWORD: PASSWORD,
    ...database.env,
    ...env,
  };
  const begin = (own: Record<string, string> = {}): MachiProcess =>
    launch({ ...settings, ...own }, 'main', { options: ['--import', FAILPOINT] });
  const start = (): Promise<MachiProcess> => whenServing(begin());
  const nodes = [await start()];
  nodes.push(...(await Promise.all(Array.from({ length: count - 1 }, start))));

  async function post(path: string, body: object): Promise<Record<string, string>> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(nodes[0]!.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Record<string, string>;
  }

  return {
    database,
    nodes,
    /** Starts a further process, with settings of its own, that need not serve. */
    launch: begin,
    /** Waits for the end of a node and starts another one in its place. */
    async replace(index: number): Promise<void> {
      await nodes[index]!.ended;
      nodes[index] = await start();
    },
    async register(username: string): Promise<Credentials> {
      await post('/api/users', { username, password: PASSWORD, fullname: username });
      const { identity_token: token } = await post('/api/sessions', { login: username, password: PASSWORD });
      return { username, token: token! };
    },
    /** The state of the bus, as a node sees it. */
    async busState(index: number): Promise<string> {
      const response = await fetch(`${nodes[index]!.url}/api/health/ready`);
      return ((await response.json()) as { checks: { bus: string } }).checks.bus;
    },
    async stop(): Promise<void> {
      await Promise.all(nodes.map((node) => node.kill('SIGKILL')));
      await database.drop();
      folder.remove();
    },
  };
}
