// Memory of an idle connection in Machi, relative to a bare `ws` server. `npm run bench:chat:idle`; takes a minute.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeUsers, startLoad, startWorld } from './chat-world.mjs';
import { median, startServer } from './harness.mjs';

const CONNECTIONS = Number(process.env.CONNECTIONS ?? 5000);
const SETTLE_MS = 15_000;

/** Resident memory of a process in KB. */
const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

async function measure(load, server, list) {
  const port = Number(new URL(server.url).port);
  await load.connect({ port }, list.slice(0, 500)); // memory that the first connections allocate once is not counted
  await load.all('close');
  await sleep(2000);
  const before = resident(server.pid);
  await load.connect({ port }, list);
  const samples = [];
  for (let i = 0; i < 5; i++) {
    await sleep(SETTLE_MS / 5);
    samples.push((resident(server.pid) - before) / list.length);
  }
  await load.all('close');
  console.log(
    `${server.name.padEnd(8)} ${samples.at(-1).toFixed(1)} KB per connection at ${list.length} (${samples.map((kb) => kb.toFixed(1)).join(', ')})`,
  );
  return median(samples);
}

const to = (token) => ({ path: '/api/ws', headers: { authorization: `Bearer ${token}` } });

const world = await startWorld();
const bare = await startServer('bare ws', 'bench/bare-broadcast.mjs', {});
const load = startLoad(2);
try {
  const users = await makeUsers(world, CONNECTIONS);
  await measure(
    load,
    world.machi,
    users.map(({ token }, mark) => ({ mark, to: to(token) })),
  );
  await measure(
    load,
    bare,
    users.map((_, mark) => ({ mark, to: { path: `/${mark % 250}` } })),
  );
} finally {
  load.stop();
  await bare.stop();
  await world.stop();
}
