// One, two and three processes with BUS=redis, compared with as many of Socket.IO with its Redis adapter, which stores the same
// messages in the same PostgreSQL before it broadcasts them; one and three when all benches are run. Then both while connections are cut.
import { setTimeout as sleep } from 'node:timers/promises';
import { withChat } from './support/chat-world.mjs';
import { countLost } from './support/cluster-cuts.mjs';
import { findRedis, makeMachi, makeSocketIo, startRedis } from './support/cluster-world.mjs';
import { median, usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';

const WARM_UP_MS = 500;
const [ROOMS, MEMBERS] = [24, 20];
const CONTENT = 'x'.repeat(60);
const digits = (mark) => String(mark).padStart(4, '0');

export const options = { seconds: 4, rounds: 5, cutSeconds: 60 };

export async function run({ seconds, rounds, cutSeconds = 16, isQuick, skip }) {
  const program = findRedis();
  if (!program) {
    skip('cluster: neither redis-server nor valkey-server is installed');
    return [];
  }
  const redis = await startRedis(program);
  try {
    const env = { BUS: 'redis', REDIS_URL: redis.url };
    return await withChat(
      2,
      (world, load) =>
        compare(world, load, redis, {
          sizes: isQuick ? [1, 3] : [1, 2, 3],
          seconds: isQuick ? 1.5 : seconds,
          rounds,
          cutSeconds,
        }),
      env,
    );
  } finally {
    await redis.stop();
  }
}

async function compare(world, load, redis, { sizes, seconds, rounds, cutSeconds }) {
  const clusters = [];
  for (const processes of sizes) {
    clusters.push(await makeMachi(world, processes, ROOMS, MEMBERS));
    clusters.push(await makeSocketIo(world, redis, processes, ROOMS, MEMBERS));
  }
  const series = clusters.map(({ name }) => ({ name, rounds: [] }));
  const cpuOf = (cluster) => () => ({
    servers: sum(cluster.servers.map(({ pid }) => usage(pid).cpu)),
    postgres: world.postgresCpu(),
    redis: usage(redis.pid).cpu,
  });
  for (let round = 0; round <= rounds; round++) {
    for (const [i, cluster] of clusters.entries()) {
      const result = await measure(load, cluster, cpuOf(cluster), round === 0 ? 0.5 : seconds);
      if (round > 0) series[i].rounds.push(result);
    }
  }
  const rows = sizes.flatMap((processes, i) => rowsOf(processes, series.slice(2 * i, 2 * i + 2)));
  return [...rows, ...(await countLost(clusters.slice(-2), cutSeconds))];
}

/** The clients have one message each in flight. */
async function measure(load, cluster, readCpu, seconds) {
  const clients = cluster.list.map(({ conversation_id, to }, mark) => ({
    mark,
    to,
    text: cluster.text(conversation_id, CONTENT + digits(mark)),
  }));
  await load.connect({}, clients);
  await load.all('start', { window: 1 });
  await sleep(WARM_UP_MS);
  await load.all('reset');
  const [before, start] = [readCpu(), performance.now()];
  await sleep(seconds * 1000);
  const counts = await load.all('count');
  const elapsed = (performance.now() - start) / 1000;
  const after = readCpu();
  const rss = sum(cluster.servers.map(({ pid }) => usage(pid).rss));
  await load.all('stop');
  for (let i = 0; i < 100 && !(await load.all('isDone')).every(Boolean); i++) await sleep(50);
  await load.all('close');
  await sleep(200);
  const total = (figure) => sum(counts.map((count) => count[figure]));
  const spent = (part) => after[part] - before[part];
  const deliveries = total('deliveries');
  return {
    rate: deliveries / elapsed,
    perCpuSecond: deliveries / (spent('servers') + spent('postgres') + spent('redis')),
    cpu: (spent('servers') / deliveries) * 1e6,
    pgCpu: (spent('postgres') / deliveries) * 1e6,
    busCpu: (spent('redis') / total('echoes')) * 1e6,
    p50: median(counts.map(({ p50 }) => p50)),
    p99: Math.max(...counts.map(({ p99 }) => p99)),
    rss,
  };
}

function rowsOf(processes, series) {
  const title = `Chat, ${processes} ${processes === 1 ? 'process' : 'processes'} and Redis, ${ROOMS} × ${MEMBERS} users`;
  const only = (figure) =>
    series.map(({ name, rounds }) => ({ name, rounds: rounds.map((round) => ({ rate: round[figure] })) }));
  const efficiency = { unit: 'deliveries per CPU second of servers, PostgreSQL and Redis' };
  return [
    ...toRows(`${title}, a message each in flight`, series, { unit: 'deliveries/s' }),
    ...toRows(`${title}, CPU`, only('perCpuSecond'), efficiency),
    ...toRows(`${title}, CPU of Redis per message`, only('busCpu'), { unit: 'µs', isLowerBetter: true }),
  ];
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
