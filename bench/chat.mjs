// Stored and delivered messages per second, relative to a bare `ws` server that forwards the same bytes and stores nothing. The round
// trip of single messages is also compared with one that stores each message before it forwards it.
import { setTimeout as sleep } from 'node:timers/promises';
import { makeConversation, toMachi, withChat } from './support/chat-world.mjs';
import { median, usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers } from './support/world.mjs';

const CONTENT = 'x'.repeat(60);
const digits = (mark) => String(mark).padStart(4, '0');
const request = (conversation_id, mark) =>
  JSON.stringify({ type: 'send_message', conversation_id, content: CONTENT + digits(mark) });
/** The frame that Machi would send, so that the bare server forwards as many bytes. */
const answer = (conversation_id, mark) =>
  JSON.stringify({
    success: true,
    type: 'send_message',
    data: {
      id: 1234567,
      sender_username: 'bench1234',
      conversation_id,
      reply_id: null,
      content: CONTENT + digits(mark),
      sent_at: 1795276800,
    },
  });

export const options = { seconds: 4, rounds: 5 };

export function run({ seconds, rounds, isQuick }) {
  const times = { seconds, warmUp: isQuick ? 0.7 : 1.5 };
  return withChat(2, async (world, load) => {
    await world.query('create table bare_messages (like messages including all)');
    const bare = await world.start('bare ws', 'bench/baselines/broadcast.mjs', {});
    const storing = await world.start('bare ws with an INSERT', 'bench/baselines/broadcast.mjs', {
      CONNECTION: JSON.stringify(world.connection),
    });
    const rows = [];
    for (const [rooms, size] of [
      [25, 20],
      [1, 200],
    ]) {
      const sides = await makeSides(world, bare, rooms, size);
      const series = await compare(load, sides, { ...times, rounds, window: 1 });
      const title = `Chat, ${rooms} × ${size} users`;
      rows.push(...toRows(`${title}, a message each in flight`, series, { unit: 'deliveries/s' }));
      const ceilings = series.map(({ rounds: results }) => median(results.map(({ sends }) => sends)));
      const [machi, baseline] = sides;
      const store = { ...baseline, server: storing, postgresCpu: world.postgresCpu };
      await measure(load, store, { ...times, window: 1 }); // the others are warm
      const loads = [{ name: '10 messages/s', rate: 10, compared: [machi, store, baseline] }];
      if (!isQuick) loads.push({ name: 'half of what both can', rate: Math.min(...ceilings) / 2, compared: sides });
      for (const { name, rate, compared } of loads) {
        const pairs = await compare(load, compared, { ...times, rounds: Math.min(3, rounds), rate, window: 0 });
        for (const { rounds: results } of pairs) for (const result of results) result.rate = result.p50;
        const unit = { unit: 'ms', isLowerBetter: true };
        rows.push(...toRows(`${title}, p50 of the round trip at ${name}`, pairs, unit));
      }
    }
    return rows;
  });
}

async function makeSides(world, bare, rooms, size) {
  const users = await makeUsers(world, rooms * size);
  const ids = [];
  for (let i = 0; i < rooms; i++) ids.push(await makeConversation(world, users.slice(i * size, (i + 1) * size)));
  const id = (i) => ids[Math.floor(i / size)];
  return [
    {
      server: world.machi,
      postgresCpu: world.postgresCpu,
      list: users.map((user, mark) => ({ mark, text: request(id(mark), mark), to: toMachi(user) })),
    },
    {
      server: bare,
      postgresCpu: () => NaN,
      list: users.map((_, mark) => ({ mark, text: answer(id(mark), mark), to: { path: `/${id(mark)}` } })),
    },
  ];
}

/** Alternates the servers, after a warm-up round of half the length when they are measured at their most. */
async function compare(load, sides, { rounds, ...conditions }) {
  const series = sides.map(({ server }) => ({ name: server.name, rounds: [] }));
  for (let i = conditions.rate ? 1 : 0; i <= rounds; i++) {
    for (const [j, side] of sides.entries()) {
      const result = await measure(load, side, i > 0 ? conditions : { ...conditions, seconds: conditions.seconds / 2 });
      if (i > 0) series[j].rounds.push(result);
    }
  }
  return series;
}

/** One round: each client has `window` messages in flight, or all together send `rate` per second. */
async function measure(load, { server, list, postgresCpu }, { seconds, warmUp, window, rate = 0 }) {
  await load.connect({ port: Number(new URL(server.url).port) }, list);
  await load.all('start', { window, rate: rate / 2 });
  await sleep(warmUp * 1000);
  await load.all('reset');
  const [before, pgBefore, start] = [usage(server.pid), postgresCpu(), performance.now()];
  await sleep(seconds * 1000);
  const counts = await load.all('count');
  const elapsed = (performance.now() - start) / 1000;
  const { cpu, rss } = usage(server.pid);
  const pgCpu = postgresCpu() - pgBefore;
  await load.all('stop');
  for (let i = 0; i < 100 && !(await load.all('isDone')).every(Boolean); i++) await sleep(50);
  await load.all('close');
  await sleep(300);
  const sum = (figure) => counts.reduce((total, count) => total + count[figure], 0);
  return {
    rate: sum('deliveries') / elapsed,
    sends: sum('echoes') / elapsed,
    cpu: ((cpu - before.cpu) / sum('deliveries')) * 1e6,
    pgCpu: (pgCpu / sum('deliveries')) * 1e6,
    p50: median(counts.map(({ p50 }) => p50)),
    p99: Math.max(...counts.map(({ p99 }) => p99)),
    rss,
  };
}
