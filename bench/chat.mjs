// Stored and delivered messages per second, relative to a bare `ws` server that forwards the same bytes and stores nothing.
// `npm run bench:chat`; takes about three minutes.
import { setTimeout as sleep } from 'node:timers/promises';
import { makeConversation, makeUsers, startLoad, startWorld } from './chat-world.mjs';
import { median, startServer, usage } from './harness.mjs';

const SECONDS = Number(process.env.SECONDS ?? 4);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const WARM_UP_MS = 1500;

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

/** One round against one server: each client sends a message whenever its previous one is delivered. */
async function round(load, { server, list, window, rate = 0, postgresCpu = () => 0 }) {
  const port = Number(new URL(server.url).port);
  await load.connect({ port }, list);
  await load.all('start', { window, rate: rate / 2 });
  await sleep(WARM_UP_MS);
  await load.all('reset');
  const [before, pgBefore, start] = [usage(server.pid), postgresCpu(), performance.now()];
  await sleep(SECONDS * 1000);
  const counts = await load.all('count');
  const seconds = (performance.now() - start) / 1000;
  const cpu = usage(server.pid).cpu - before.cpu;
  const pgCpu = postgresCpu() - pgBefore;
  await load.all('stop');
  for (let i = 0; i < 100 && !(await load.all('isDone')).every(Boolean); i++) await sleep(50);
  await load.all('close');
  await sleep(300);
  const sum = (figure) => counts.reduce((total, count) => total + count[figure], 0);
  return {
    deliveries: sum('deliveries') / seconds,
    sends: sum('echoes') / seconds,
    cpu: (cpu / sum('deliveries')) * 1e6,
    pgCpu: (pgCpu / sum('deliveries')) * 1e6,
    p50: median(counts.map(({ p50 }) => p50)),
    p99: Math.max(...counts.map(({ p99 }) => p99)),
  };
}

const LABELS = {
  deliveries: 'deliveries/s',
  sends: 'messages/s',
  cpu: 'CPU µs/delivery',
  pgCpu: '… of PostgreSQL',
  p50: 'p50 ms',
  p99: 'p99 ms',
};

function print(title, one, other) {
  console.log(`\n${title}\n`);
  console.log(['', 'Machi', 'bare ws', 'ratio'].map((cell) => cell.padEnd(18)).join(''));
  for (const [figure, label] of Object.entries(LABELS)) {
    const [a, b] = [one, other].map((rounds) => rounds.map((of) => of[figure]));
    const ratio = median(a.map((value, i) => value / b[i]));
    const cells = [median(a), median(b), ratio].map((value, i) =>
      Number.isFinite(value) ? value.toFixed(i === 2 || value < 100 ? 2 : 0) : '',
    );
    console.log([label, ...cells].map((cell) => cell.padEnd(18)).join(''));
  }
}

const world = await startWorld();
const bare = await startServer('bare', 'bench/bare-broadcast.mjs', {});
const load = startLoad(2);
try {
  for (const [rooms, size] of [
    [25, 20],
    [1, 200],
  ]) {
    const users = await makeUsers(world, rooms * size);
    const ids = [];
    for (let i = 0; i < rooms; i++) ids.push(await makeConversation(world, users.slice(i * size, (i + 1) * size)));
    const id = (i) => ids[Math.floor(i / size)];
    const machi = {
      server: world.machi,
      window: 1,
      postgresCpu: world.postgresCpu,
      list: users.map(({ token }, mark) => ({
        mark,
        text: request(id(mark), mark),
        to: { path: '/api/ws', headers: { authorization: `Bearer ${token}` } },
      })),
    };
    const other = {
      server: bare,
      window: 1,
      list: users.map((_, mark) => ({ mark, text: answer(id(mark), mark), to: { path: `/${id(mark)}` } })),
    };
    const results = [[], []];
    for (let i = 0; i <= ROUNDS; i++) {
      for (const [j, side] of [machi, other].entries()) {
        const result = await round(load, side);
        if (i > 0) results[j].push(result);
      }
    }
    print(`${rooms} × ${size} users, each with one message in flight`, ...results);
    const ceiling = median(results[0].map(({ sends }) => sends));
    for (const [name, rate] of [
      ['10 messages a second', 10],
      ['half the ceiling', ceiling / 2],
    ]) {
      const pairs = [[], []];
      for (let i = 0; i < 3; i++) {
        pairs[0].push(await round(load, { ...machi, window: 0, rate }));
        pairs[1].push(await round(load, { ...other, window: 0, rate }));
      }
      const at = (side, figure) => median(pairs[side].map((of) => of[figure])).toFixed(1);
      console.log(
        `round trip at ${name} (${rate.toFixed(0)}/s): Machi p50 ${at(0, 'p50')} p99 ${at(0, 'p99')} ms, bare p50 ${at(1, 'p50')} p99 ${at(1, 'p99')} ms`,
      );
    }
  }
} finally {
  load.stop();
  await bare.stop();
  await world.stop();
}
