// Runs faults against a production stack of its own, under load, and counts what was acknowledged, lost and doubled. Needs a Docker
// engine on this machine and the right to kill its processes (root):
//
//   npm run build && node test/e2e/faults/run.mjs            all faults, some five minutes with a built image
//   node test/e2e/faults/run.mjs database-restart node-killed
//
// The stack is named machi-faults, has volumes of its own, and is removed afterwards. It uses the folder secrets. FAULTS_PORT: 1338.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLoad } from './load.mjs';

const ADDED = ['-f', 'test/e2e/faults/docker-compose.yml'];
const PORT = process.env.FAULTS_PORT ?? '1338';
const URL_OF_STACK = `http://localhost:${PORT}`;
const SLOWEST_START_MS = 180_000;
const root = resolve(import.meta.dirname, '../../..');
const env = {
  ...process.env,
  COMPOSE_PROJECT_NAME: 'machi-faults',
  VERSION: 'faults',
  PROXY_PORT: PORT,
  PUBLIC_URL: URL_OF_STACK,
  FRONT_SUBNET: '172.30.138.0/28',
  FRONT_RANGE: '172.30.138.8/29',
  PROXY_ADDRESS: '172.30.138.2',
};

/** Returns what the command prints, or shows it. */
async function run([command, ...args], stdout = 'pipe') {
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', stdout, 'inherit'] });
  const ended = once(child, 'close');
  const output = stdout === 'pipe' ? await text(child.stdout) : '';
  const [code] = await ended;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
  return output.trim();
}

const composeCommand = (...args) => [
  ...(process.env.COMPOSE ?? 'docker-compose').split(' '),
  '-f',
  'docker-compose.prod.yml',
  ...ADDED,
  ...args,
];
const docker = (...args) => run(['docker', ...args]);
const inspect = (id, field) => docker('inspect', '--format', `{{.State.${field}}}`, id);
const containersOf = async (service) => (await run(composeCommand('ps', '--quiet', service))).split('\n');
/** Runs a script in a container of the service; `$0` is the argument. Compose itself looks for the first one, which an update replaces. */
const inside = async (service, script, argument = '') => {
  const [container] = await containersOf(service);
  return docker('exec', container, 'sh', '-c', script, argument);
};
const PSQL = 'PGPASSWORD=$(cat /run/database/superuser_password) psql -h 127.0.0.1 -U postgres -Atqc "$0"';

/** Each breaks something, and resolves when it has been repaired. */
const FAULTS = {
  none: () => sleep(10_000),
  'rolling-update': () => run(['deploy/rolling-update', ...ADDED], 'inherit'),
  'database-restart': async () => docker('restart', '-t', '30', ...(await containersOf('db'))),
  'database-read-only': async () => {
    await inside('db', PSQL, 'alter system set default_transaction_read_only = on');
    await inside('db', PSQL, 'select pg_reload_conf()');
    await sleep(10_000);
    await inside('db', PSQL, 'alter system reset default_transaction_read_only');
    await inside('db', PSQL, 'select pg_reload_conf()');
  },
  'valkey-restart': async () => {
    const valkey = await containersOf('valkey');
    await docker('stop', '-t', '5', ...valkey);
    await sleep(5_000);
    await docker('start', ...valkey);
  },
  'node-killed': async () => {
    const [node] = await containersOf('api');
    const startedAt = await inspect(node, 'StartedAt');
    process.kill(Number(await inspect(node, 'Pid')), 'SIGKILL');
    while ((await inspect(node, 'StartedAt')) === startedAt) await sleep(100); // it is started again
  },
  'disk-full': async () => {
    await inside('api', 'dd if=/dev/zero of=/data/filler bs=64k 2>/dev/null || true');
    await sleep(15_000);
    await inside('api', 'rm /data/filler');
  },
};

async function untilHealthy() {
  const start = Date.now();
  for (;;) {
    const nodes = await containersOf('api');
    const states = await Promise.all(nodes.map((id) => inspect(id, 'Health.Status')));
    if (states.every((state) => state === 'healthy')) return;
    if (Date.now() - start > SLOWEST_START_MS) throw new Error(`the nodes are ${states.join(' and ')}`);
    await sleep(1_000);
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(FAULTS);
try {
  await run(['deploy/make-secrets'], 'inherit');
  await run(composeCommand('up', '--build', '--detach'), 'inherit');
  await untilHealthy();
  const load = await startLoad(URL_OF_STACK, readFileSync(join(root, 'secrets/admin_password'), 'utf8').trim());
  for (const name of names) {
    const begin = Date.now();
    await FAULTS[name]();
    const repaired = Date.now();
    await untilHealthy();
    await sleep(8_000);
    console.log(`${name}: ${((repaired - begin) / 1000).toFixed(1)} s`, load.take());
  }
  await load.stop();
  const { faults, ...acknowledged } = await load.compare();
  console.log('acknowledged:', acknowledged);
  for (const fault of faults) console.log(fault);
  console.log(faults.length === 0 ? 'Nothing acknowledged is lost, and nothing is there twice.' : 'FAILED');
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await run(composeCommand('down', '--volumes', '--timeout', '30'));
}
process.exit();
