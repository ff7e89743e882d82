// Messages stored per second, sent over WebSockets and answered, relative to prepared INSERTs into the same PostgreSQL.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeConversation, toMachi, withChat } from './support/chat-world.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers } from './support/world.mjs';

const CLIENTS = 100;
const WINDOW = 16;

export const options = { seconds: 4, rounds: 5 };

export function run({ seconds, rounds }) {
  return withChat(1, async (world, load) => {
    await world.query('create table bare_messages (like messages including all)');
    const list = await makeClients(world);
    const sides = {
      Machi: () => send(world, load, list, seconds),
      'INSERT, 1 connection': () => insert(world, 1, seconds),
      'INSERT, 8 connections': () => insert(world, 8, seconds),
    };
    const series = Object.keys(sides).map((name) => ({ name, rounds: [] }));
    for (let round = 0; round <= rounds; round++) {
      for (const { name, rounds: results } of series) {
        const result = await sides[name]();
        if (round > 0) results.push(result);
      }
    }
    return toRows(`Chat, rows stored, ${CLIENTS} users with ${WINDOW} in flight`, series, { unit: 'rows/s' });
  });
}

async function makeClients(world) {
  const list = [];
  for (const [mark, user] of (await makeUsers(world, CLIENTS)).entries()) {
    const conversation_id = await makeConversation(world, [user]);
    const content = 'x'.repeat(60) + String(mark).padStart(4, '0');
    list.push({ mark, text: JSON.stringify({ type: 'send_message', conversation_id, content }), to: toMachi(user) });
  }
  return list;
}

async function send({ machi, query }, load, list, seconds) {
  const count = async () => (await query('select count(*)::int from messages')).rows[0].count;
  await load.connect({ port: Number(new URL(machi.url).port) }, list);
  await load.all('start', { window: WINDOW });
  await sleep(1000);
  await load.all('reset');
  const [start, before] = [performance.now(), await count()];
  await sleep(seconds * 1000);
  const [after, elapsed] = [await count(), performance.now() - start];
  const [{ p50, p99 }] = await load.all('count');
  await load.all('stop');
  while (!(await load.all('isDone')).every(Boolean)) await sleep(50);
  await load.all('close');
  return { rate: ((after - before) / elapsed) * 1000, p50, p99 };
}

async function insert({ connection }, connections, seconds) {
  const env = {
    PATH: process.env.PATH,
    CONNECTION: JSON.stringify(connection),
    CONNECTIONS: connections,
    SECONDS: seconds,
  };
  const child = spawn(process.execPath, ['bench/baselines/insert.mjs'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  await once(child, 'close');
  return { rate: Number(line) };
}
