// Memory of an idle connection, relative to a bare `ws` server. Garbage is collected before memory is read: otherwise that of the
// start is counted in the memory before, and hides what the connections take.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toMachi, withChat } from './support/chat-world.mjs';
import { usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers } from './support/world.mjs';

const CONNECTIONS = 5000;
const COLLECTED = { NODE_OPTIONS: `--import ${join(import.meta.dirname, 'support/collect-garbage.mjs')}` };

export const options = { settleSeconds: 15 };

export function run({ settleSeconds = 5 }) {
  const work = async (world, load) => {
    const bare = await world.start('bare ws', 'bench/baselines/broadcast.mjs', COLLECTED);
    const users = await makeUsers(world, CONNECTIONS);
    const lists = [
      users.map((user, mark) => ({ mark, to: toMachi(user) })),
      users.map((_, mark) => ({ mark, to: { path: `/${mark % 250}` } })),
    ];
    const series = [];
    for (const [i, server] of [world.machi, bare].entries()) {
      series.push({ name: server.name, rounds: [{ rate: await measure(load, server, lists[i], settleSeconds) }] });
    }
    return toRows(`Chat, memory of one of ${CONNECTIONS} idle connections`, series, {
      unit: 'KB',
      isLowerBetter: true,
    });
  };
  return withChat(2, work, COLLECTED);
}

async function measure(load, server, list, settleSeconds) {
  const to = { port: Number(new URL(server.url).port) };
  await load.connect(to, list.slice(0, 500)); // memory that the first connections allocate once is not counted
  await load.all('close');
  await sleep(2000);
  const before = await memoryOf(server);
  await load.connect(to, list);
  await sleep(settleSeconds * 1000);
  const after = await memoryOf(server);
  await load.all('close');
  return ((after - before) * 1024) / list.length;
}

/** In MiB, after its garbage is collected. */
async function memoryOf({ pid }) {
  process.kill(pid, 'SIGUSR2');
  await sleep(1000);
  return usage(pid).rss;
}
