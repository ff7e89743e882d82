// Messages that clients lose, or get twice, when each of their connections is cut after 15 s. Machi's clients are those of
// clients/typescript with `follow`, which resume with cursors. Socket.IO's reconnect by themselves; its connection state recovery is
// not used, because the Redis adapter for publish and subscribe does not support it.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { ChatClient } from '../../clients/typescript/dist/index.js';
import { portOf } from './cluster-world.mjs';
import { toRows } from './results.mjs';

const [ROOMS, MEMBERS] = [4, 20];
const CUT_MS = 15_000;
const SEND_MS = 500;
const SETTLE_MS = 10_000;

/** Both clusters at once, because nothing is timed. */
export async function countLost(clusters, seconds) {
  const results = await Promise.all(clusters.map((cluster) => countLostOf(cluster, seconds)));
  return results.flatMap(({ name, cuts, stored, unsent, expected, lost, doubled }) => {
    const scenario = `Chat, 3 processes, each connection cut after ${CUT_MS / 1000} s`;
    const unit = `deliveries of ${expected} lost, ${doubled} doubled (${cuts} cuts; ${unsent} of ${stored + unsent} messages not stored)`;
    return toRows(scenario, [{ name, rounds: [{ rate: lost }] }], { unit, isLowerBetter: true });
  });
}

async function countLostOf(cluster, seconds) {
  const balancer = await startBalancer(cluster.servers.map(portOf));
  const users = cluster.list.slice(0, ROOMS * MEMBERS);
  const { rows } = await cluster.query(`select coalesce(max(id), 0)::float8 as last from ${cluster.table}`);
  const clients = users.map((user) => CLIENTS[cluster.name](balancer.port, user, rows[0].last));
  while (!clients.every(({ isOpen }) => isOpen())) await sleep(50);
  balancer.startCutting();
  const sent = await sendFor(clients, seconds);
  balancer.stopCutting();
  for (let i = 0; i < SETTLE_MS / 100 && !clients.every(({ isOpen }) => isOpen()); i++) await sleep(100);
  await sleep(2_000); // what is on its way arrives
  for (const client of clients) client.close();
  const stored = await storedTexts(cluster, sent);
  await balancer.stop();
  return { name: cluster.name, cuts: balancer.cuts(), ...compare(users, clients, stored, sent) };
}

/** Each client sends every 500 ms. Returns the texts. */
async function sendFor(clients, seconds) {
  const sent = [];
  const end = performance.now() + seconds * 1000;
  for (let round = 0; performance.now() < end; round++) {
    for (const [i, client] of clients.entries()) {
      const text = `cut ${round} ${i}`;
      sent.push(text);
      client.send(text);
    }
    await sleep(SEND_MS);
  }
  return sent;
}

async function storedTexts({ query, table }, sent) {
  const { rows } = await query(`select conversation_id::float8, content from ${table} where content = any ($1)`, [
    sent,
  ]);
  return rows;
}

function compare(users, clients, stored, sent) {
  let [expected, lost, doubled] = [0, 0, 0];
  for (const [i, { received }] of clients.entries()) {
    for (const { conversation_id, content } of stored) {
      if (conversation_id !== users[i].conversation_id) continue;
      expected++;
      const times = received.get(content) ?? 0;
      if (times === 0) lost++;
      else doubled += times - 1;
    }
  }
  return { expected, lost, doubled, stored: stored.length, unsent: sent.length - stored.length };
}

const CLIENTS = { Machi: openMachi, 'Socket.IO': openSocketIo };

function openMachi(port, { conversation_id, token }, message_id) {
  const tokens = { current: () => token, refresh: () => Promise.resolve(token), forget: () => undefined };
  const chat = new ChatClient({ url: `ws://127.0.0.1:${port}/api/ws`, tokens, WebSocket });
  const received = new Map();
  chat.follow([{ conversation_id, message_id, revision: 0 }], ({ message }) => count(received, message?.content));
  chat.connect();
  return {
    received,
    isOpen: () => chat.state === 'open',
    send: (text) => void chat.send(conversation_id, text).catch(() => undefined), // counted as not stored
    close: () => chat.close(),
  };
}

function openSocketIo(port, { conversation_id, username }) {
  const auth = { conversation_id, username };
  const socket = io(`http://127.0.0.1:${port}`, { auth, transports: ['websocket'], forceNew: true });
  const received = new Map();
  socket.on('send_message', ({ content }) => count(received, content));
  return {
    received,
    isOpen: () => socket.connected,
    send: (content) => socket.emit('send_message', { content }),
    close: () => socket.close(),
  };
}

const count = (received, text) => text !== undefined && received.set(text, (received.get(text) ?? 0) + 1);

/** Passes connections on to the servers in turn. While it cuts, each ends after 15 s, those of before at times spread over that. */
async function startBalancer(ports) {
  const open = new Map();
  let [accepted, cuts, isCutting] = [0, 0, false];
  const cutAfter = (id, ms) =>
    setTimeout(() => {
      if (!isCutting || !open.has(id)) return;
      cuts++;
      open.get(id)();
    }, ms).unref();
  const server = createServer((client) => {
    const id = accepted++;
    const upstream = connect(ports[id % ports.length], '127.0.0.1');
    open.set(id, () => [client, upstream].forEach((socket) => socket.destroy()));
    if (isCutting) cutAfter(id, CUT_MS);
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.get(id)?.();
        open.delete(id);
      });
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    cuts: () => cuts,
    startCutting() {
      isCutting = true;
      for (const [i, id] of [...open.keys()].entries()) cutAfter(id, (CUT_MS * (i + 1)) / open.size);
    },
    stopCutting: () => (isCutting = false),
    async stop() {
      server.close();
      for (const destroy of open.values()) destroy();
      await once(server, 'close');
    },
  };
}
