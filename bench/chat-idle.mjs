// Memory of an idle connection, relative to a bare `ws` server.
import { setTimeout as sleep } from 'node:timers/promises';
import { toMachi, withChat } from './chat-world.mjs';
import { median, usage } from './harness.mjs';
import { toRows } from './results.mjs';
import { makeUsers } from './world.mjs';

const CONNECTIONS = 5000;
const SAMPLES = 5;

export const options = { settleSeconds: 15 };

export function run({ settleSeconds = 5 }) {
  return withChat(2, async (world, load) => {
    const bare = await world.start('bare ws', 'bench/bare-broadcast.mjs', {});
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
  });
}

async function measure(load, server, list, settleSeconds) {
  const to = { port: Number(new URL(server.url).port) };
  await load.connect(to, list.slice(0, 500)); // memory that the first connections allocate once is not counted
  await load.all('close');
  await sleep(2000);
  const before = usage(server.pid).rss;
  await load.connect(to, list);
  const samples = [];
  for (let i = 0; i < SAMPLES; i++) {
    await sleep((settleSeconds * 1000) / SAMPLES);
    samples.push(((usage(server.pid).rss - before) * 1024) / list.length);
  }
  await load.all('close');
  return median(samples);
}
