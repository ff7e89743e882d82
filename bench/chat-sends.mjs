// Messages stored per second, sent over WebSockets and answered, relative to prepared INSERTs into the same PostgreSQL.
// `npm run bench:chat:sends`; takes about two minutes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeConversation, makeUsers, startLoad, startWorld } from './chat-world.mjs';
import { median } from './harness.mjs';

const SECONDS = Number(process.env.SECONDS ?? 4);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const CLIENTS = 100;
const WINDOW = 16;

async function inserts({ connection }, connections) {
  const env = { PATH: process.env.PATH, CONNECTION: JSON.stringify(connection), CONNECTIONS: connections, SECONDS };
  const child = spawn(process.execPath, ['bench/bare-insert.mjs'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  await once(child, 'close');
  return Number(line);
}

const world = await startWorld();
const load = startLoad(1);
try {
  await world.query('create table bare_messages (like messages including all)');
  const users = await makeUsers(world, CLIENTS);
  const list = [];
  for (const [mark, user] of users.entries()) {
    const conversation_id = await makeConversation(world, [user]);
    const content = 'x'.repeat(60) + String(mark).padStart(4, '0');
    const text = JSON.stringify({ type: 'send_message', conversation_id, content });
    list.push({ mark, text, to: { path: '/api/ws', headers: { authorization: `Bearer ${user.token}` } } });
  }
  const sends = async () => {
    await load.connect({ port: Number(new URL(world.machi.url).port) }, list);
    await load.all('start', { window: WINDOW });
    await sleep(1000);
    await load.all('reset');
    const [start, before] = [performance.now(), await world.query('select count(*)::int from messages')];
    await sleep(SECONDS * 1000);
    const [after, seconds] = [await world.query('select count(*)::int from messages'), performance.now() - start];
    const [{ p50, p99 }] = await load.all('count');
    await load.all('stop');
    while (!(await load.all('isDone')).every(Boolean)) await sleep(50);
    await load.all('close');
    return { rate: ((after.rows[0].count - before.rows[0].count) / seconds) * 1000, p50, p99 };
  };
  const rounds = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const round = { machi: await sends(), one: await inserts(world, 1), eight: await inserts(world, 8) };
    if (i > 0) rounds.push(round);
  }
  const of = (figure) => median(rounds.map(figure));
  console.log(`${CLIENTS} users, each with ${WINDOW} messages in flight: rows stored per second\n`);
  console.log(
    `Machi                  ${of(({ machi }) => machi.rate).toFixed(0)}   (answered after p50 ${of(({ machi }) => machi.p50).toFixed(0)} ms, p99 ${of(({ machi }) => machi.p99).toFixed(0)} ms)`,
  );
  console.log(
    `INSERT, 1 connection   ${of(({ one }) => one).toFixed(0)}   ratio ${of(({ machi, one }) => machi.rate / one).toFixed(2)}`,
  );
  console.log(
    `INSERT, 8 connections  ${of(({ eight }) => eight).toFixed(0)}   ratio ${of(({ machi, eight }) => machi.rate / eight).toFixed(2)}`,
  );
} finally {
  load.stop();
  await world.stop();
}
