// What single operations of the chat cost, in CPU time of each process: the constants of scripts/scaling-model.mjs. Three processes
// with BUS=redis; the clients are connected to the first one, so that the others only receive what they have no members for.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { withChat } from './support/chat-world.mjs';
import { findRedis, makeMachi, portOf, startRedis } from './support/cluster-world.mjs';
import { toRows } from './support/results.mjs';

const [ROOMS, MEMBERS] = [100, 10];
const REFRESHES = 300;
const PROCESSES = 3;
const IDLE_MS = 2_000;

export const options = { seconds: 8 };

export async function run({ seconds, skip }) {
  const program = findRedis();
  if (!program) {
    skip('chat-costs: neither redis-server nor valkey-server is installed');
    return [];
  }
  const redis = await startRedis(program);
  try {
    const env = { BUS: 'redis', REDIS_URL: redis.url };
    return await withChat(1, (world, load) => measureAll(world, load, redis, seconds), env);
  } finally {
    await redis.stop();
  }
}

async function measureAll(world, load, redis, seconds) {
  const one = await makeMachi(world, 1, ROOMS, MEMBERS);
  const three = await makeMachi(world, PROCESSES, ROOMS, 1);
  const costsOf = (cluster, work) => measure(() => readCpu(world, redis, cluster), work);
  const sending = (cluster, senders) => costsOf(cluster, (start) => send(load, cluster, senders, seconds, start));
  const connected = await costsOf(one, (start) => connectAll(load, one, start));
  await load.all('close');
  const refreshed = await costsOf(one, (start) => refreshAll(world, one.users, start));
  const alone = await sending(one, 1);
  const many = await sending(one, ROOMS);
  const among = await sending(three, ROOMS);
  const perProcess = (among.redis - many.redis) / (PROCESSES - 1);
  return [
    ...rows('a connection', { Machi: connected.server, PostgreSQL: connected.postgres }),
    ...rows('a refresh of tokens', { Machi: refreshed.server, PostgreSQL: refreshed.postgres }),
    ...rows('a message alone in its batch', { Machi: alone.server, PostgreSQL: alone.postgres }),
    ...rows(`a message of ${ROOMS} in flight`, {
      Machi: many.server,
      PostgreSQL: many.postgres,
      'Redis, to publish': many.redis - perProcess,
      'Redis, for each process': perProcess,
      'a process without members': (among.second + among.third) / 2,
    }),
  ];
}

/** CPU seconds so far. */
function readCpu({ postgresCpu }, redis, { servers }) {
  const [server, second = 0, third = 0] = servers.map(({ pid }) => threadSeconds(pid));
  return { server, second, third, redis: threadSeconds(redis.pid), postgres: postgresCpu() };
}

/**
 * CPU µs per operation, without what the processes use when nothing happens. `work` calls `start` after its warm-up, and returns the
 * number of operations since.
 */
async function measure(read, work) {
  const idleBefore = read();
  await sleep(IDLE_MS);
  const idleAfter = read();
  let [before, startedAt] = [];
  const count = await work(() => ([before, startedAt] = [read(), performance.now()]));
  const after = read();
  const elapsed = performance.now() - startedAt;
  const cost = (part) => {
    const idle = ((idleAfter[part] - idleBefore[part]) * elapsed) / IDLE_MS;
    return ((after[part] - before[part] - idle) / count) * 1e6;
  };
  return Object.fromEntries(Object.keys(after).map((part) => [part, cost(part)]));
}

async function connectAll(load, { list }, start) {
  const clients = list.map(({ to }, mark) => ({ mark, to }));
  await load.connect({}, clients);
  await load.all('close');
  await sleep(500);
  start();
  await load.connect({}, clients);
  await sleep(500); // presence is recorded
  return clients.length;
}

async function refreshAll({ call, sign }, users, start) {
  for (const [i, { refreshClaims }] of users.slice(0, 2 * REFRESHES).entries()) {
    if (i === REFRESHES) start();
    await call('POST', 'sessions/refresh', { refresh_token: sign(refreshClaims) });
  }
  return REFRESHES;
}

/** Users of different conversations send one message after the other each, over the first process. */
async function send(load, { list, text, servers }, senders, seconds, start) {
  const byConversation = new Map(list.map((user) => [user.conversation_id, user]));
  const clients = [...byConversation.values()].slice(0, senders).map(({ conversation_id, to }, mark) => ({
    mark,
    to: { ...to, port: portOf(servers[0]) },
    text: text(conversation_id, 'x'.repeat(60) + String(mark).padStart(4, '0')),
  }));
  await load.connect({}, clients);
  await load.all('start', { window: 1 });
  await sleep(1_000);
  await load.all('reset');
  start();
  await sleep(seconds * 1000);
  const [{ echoes }] = await load.all('count');
  await load.all('stop');
  await load.all('close');
  return echoes;
}

/** CPU seconds of the threads of a process that have not ended, by the nanosecond. */
function threadSeconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const spent = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]));
  return spent.reduce((sum, ns) => sum + ns, 0) / 1e9;
}

const rows = (what, costs) =>
  Object.entries(costs).flatMap(([name, rate]) =>
    toRows(`Chat, CPU of ${what}`, [{ name, rounds: [{ rate }] }], { unit: 'µs', isLowerBetter: true }),
  );
