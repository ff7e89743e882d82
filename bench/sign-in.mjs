// Sign-ins per second at cost 12, compared with bare bcrypt, and the effect of 50 concurrent sign-ins on other requests. Both share the
// processors with 200 other requests per second.
import autocannon from 'autocannon';
import bcrypt from 'bcrypt';
import { setTimeout as sleep } from 'node:timers/promises';
import { usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers, withWorld } from './support/world.mjs';

const COST = 12;
const CLIENTS = 50;

export const options = { seconds: 8, rounds: 5 };

export function run({ seconds, rounds }) {
  return withWorld({ BCRYPT_COST: String(COST), LOG_LEVEL: 'warn' }, async (world) => {
    const { machi, password } = world;
    const [{ token }] = await makeUsers(world, 1);
    const stored = await bcrypt.hash(password, COST);
    const bare = () => bcrypt.compare(password, stored);
    const signIns = ['Machi', 'bare bcrypt, one at a time'].map((name) => ({ name, rounds: [] }));
    const reads = ['Machi while 50 sign in', 'Machi without sign-ins'].map((name) => ({ name, rounds: [] }));
    for (let round = 0; round < rounds; round++) {
      reads[1].rounds.push(await readProfiles(machi, token, seconds));
      const besideReads = (...work) => Promise.all([measure(seconds, ...work), readProfiles(machi, token, seconds)]);
      const [baseline] = await besideReads(1, process.pid, bare);
      const [own, loaded] = await besideReads(CLIENTS, machi.pid, () => signIn(machi, password));
      signIns[1].rounds.push(baseline);
      signIns[0].rounds.push(own);
      reads[0].rounds.push(loaded);
    }
    return [
      ...toRows(`Sign-ins, cost ${COST}, ${CLIENTS} clients`, signIns, { unit: 'sign-ins/s' }),
      ...toRows('p99 of GET /api/users/me, 200 a second', reads, { unit: 'ms', isLowerBetter: true }),
    ];
  });
}

/** Repeats `work` in concurrent loops. Measures how often it answers true, and the CPU of a process. */
async function measure(seconds, loops, pid, work) {
  const [start, before] = [performance.now(), usage(pid).cpu];
  const end = start + seconds * 1000;
  let count = 0;
  const loop = async () => {
    while (performance.now() < end) if (await work()) count++;
  };
  await Promise.all(Array.from({ length: loops }, loop));
  // The loops have waited for the sign-ins that were in progress at the end.
  const { cpu, rss } = usage(pid);
  return { rate: count / ((performance.now() - start) / 1000), cpu: ((cpu - before) / count) * 1e6, rss };
}

/** A 503 is not counted: the client waits as long as it says. */
async function signIn({ url }, password) {
  const response = await fetch(`${url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });
  await response.text();
  if (response.status === 201) return true;
  if (response.status !== 503) throw new Error(`sign-in: ${response.status}`);
  await sleep(Number(response.headers.get('retry-after')) * 1000);
  return false;
}

async function readProfiles({ url }, token, seconds) {
  const { latency } = await autocannon({
    url: `${url}/api/users/me`,
    headers: { authorization: `Bearer ${token}` },
    connections: 4,
    overallRate: 200,
    duration: seconds,
    workers: 1, // a thread of its own: it must not wait for the connections of the sign-ins
  });
  return { rate: latency.p99, p50: latency.p50, p99: latency.p99 };
}
