// Sign-ins per second at cost 12, compared with bare bcrypt, and the effect of 50 concurrent sign-ins on other requests.
// `npm run bench:sign-in`; takes about two minutes.
import autocannon from 'autocannon';
import bcrypt from 'bcrypt';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { median, startServer } from './harness.mjs';

const COST = 12;
const CLIENTS = 50;
const SECONDS = Number(process.env.SECONDS ?? 8);
const ROUNDS = Number(process.env.ROUNDS ?? 5);

const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
const postgres = new EmbeddedPostgres(dataDir, { warn: console.warn });
await postgres.start();
const { connection } = postgres;
const password = randomBytes(12).toString('hex');
const stored = await bcrypt.hash(password, COST);

const machi = await startServer('Machi', 'dist/src/main.js', {
  NODE_ENV: 'test',
  RATE_LIMITS: 'off',
  PORT: '0',
  SECRET_KEY: randomBytes(32).toString('hex'),
  ADMIN_PASSWORD: password,
  BCRYPT_COST: String(COST),
  LOG_LEVEL: 'warn',
  DB_HOST: connection.host,
  DB_NAME: connection.database,
  DB_USER: connection.user,
  DB_PASSWORD: connection.password,
});

const signIn = () =>
  fetch(`${machi.url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });

/** Repeats `work` in this many concurrent loops. Returns how often per second it answered true. */
async function rateOf(lanes, work) {
  const start = performance.now();
  const end = start + SECONDS * 1000;
  let done = 0;
  const lane = async () => {
    while (performance.now() < end) if (await work()) done++;
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return done / ((performance.now() - start) / 1000); // what is in line at the end is waited for
}

const bare = () => bcrypt.compare(password, stored);
const counts = { refused: 0 };
const client = async () => {
  const response = await signIn();
  await response.text();
  if (response.status === 201) return true;
  if (response.status !== 503) throw new Error(`sign-in: ${response.status}`);
  counts.refused++;
  await sleep(Number(response.headers.get('retry-after')) * 1000);
  return false;
};

try {
  const { identity_token } = await (await signIn()).json();
  const others = async () => {
    const headers = { authorization: `Bearer ${identity_token}` };
    const { latency } = await autocannon({
      url: `${machi.url}/api/users/me`,
      headers,
      connections: 4,
      overallRate: 200,
      duration: SECONDS,
    });
    return latency.p99;
  };
  const rows = {
    'bare, 1 at a time': [],
    [`bare, ${cpus().length} at a time`]: [],
    [`Machi, ${CLIENTS} clients`]: [],
    ratio: [],
    'p99 ms of /users/me, quiet': [],
    'p99 ms of /users/me, 50 signing in': [],
  };
  const keys = Object.keys(rows);
  for (let round = 0; round < ROUNDS; round++) {
    const one = await rateOf(1, bare);
    const all = await rateOf(cpus().length, bare);
    const quiet = await others();
    const [machine, loaded] = await Promise.all([rateOf(CLIENTS, client), others()]);
    for (const [i, value] of [one, all, machine, machine / one, quiet, loaded].entries()) rows[keys[i]].push(value);
  }
  console.log(
    `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}, ${ROUNDS} rounds of ${SECONDS} s\n`,
  );
  for (const [label, values] of Object.entries(rows)) console.log(label.padEnd(40), median(values).toFixed(2));
  console.log('refused with 503'.padEnd(40), counts.refused);
} finally {
  await machi.stop();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
