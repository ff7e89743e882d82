// The environment of the cluster bench: Redis, clusters of Machi with a database each, clusters of Socket.IO, their users and rooms.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { makeConversation, toMachi } from './chat-world.mjs';
import { stopOnInterrupt } from './interrupt.mjs';
import { makeUsers } from './world.mjs';

const REDIS_SERVERS = ['redis-server', 'valkey-server'];
const createTable = (name) => `create table ${name} (
    id bigint generated always as identity primary key,
    conversation_id bigint not null,
    sender_username text not null,
    content text not null,
    sent_at timestamptz not null default now()
  );
  create index on ${name} (conversation_id, id)`;

/** The program of an installed Redis or Valkey; undefined if there is none. */
export const findRedis = () => REDIS_SERVERS.find((program) => spawnSync(program, ['--version']).status === 0);

/** Starts Redis on a free port of the loopback interface, without persistence. */
export async function startRedis(program) {
  const folder = mkdtempSync(join(tmpdir(), 'machi-bench-redis-'));
  const port = await freePort();
  const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', folder].map(String);
  const child = spawn(program, options, { stdio: 'ignore' });
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    await sleep(20);
  }
  const stop = stopOnInterrupt(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid, stop };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function isListening(port) {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}

const toMachiText = (conversation_id, content) => JSON.stringify({ type: 'send_message', conversation_id, content });
/** Its clients name their conversation when they connect. */
const toSocketIoText = (_, content) => `42${JSON.stringify(['send_message', { content }])}`;

/**
 * A cluster of this many processes of Machi on a database of its own, with rooms of users who are spread over the processes. The
 * one of the world is a cluster of one.
 */
export async function makeMachi(world, processes, rooms, size) {
  const { servers, query } =
    processes === 1 ? { servers: [world.machi], ...world } : await startCluster(world, processes);
  const database = { ...world, query };
  const users = await makeUsers(database, rooms * size);
  const conversations = [];
  for (let i = 0; i < rooms; i++)
    conversations.push(await makeConversation(database, users.slice(i * size, (i + 1) * size)));
  const list = users.map((user, i) => {
    const conversation_id = conversations[Math.floor(i / size)];
    return { conversation_id, token: user.token, to: { ...toMachi(user), port: portOf(servers[i % processes]) } };
  });
  return { name: 'Machi', servers, users, list, text: toMachiText, query, table: 'messages' };
}

async function startCluster(world, processes) {
  const database = `machi_${processes}`;
  const superuser = await world.openClient({ ...world.connection, user: 'postgres', database: 'postgres' });
  await superuser.query(`create database ${database} owner ${world.connection.user}`);
  // clusters with different keys do not hear each other
  const settings = { DB_NAME: database, SECRET_KEY: randomBytes(32).toString('hex') };
  const start = () => world.startMachi('Machi', settings);
  const servers = [await start()]; // it migrates
  servers.push(...(await Promise.all(Array.from({ length: processes - 1 }, start))));
  const client = await world.openClient({ ...world.connection, database });
  return { servers, query: (text, values) => client.query(text, values) };
}

/** The same with Socket.IO. */
export async function makeSocketIo(world, redis, processes, rooms, size) {
  const table = `peer_messages_${processes}`;
  await world.query(createTable(table));
  const env = {
    CONNECTION: JSON.stringify(world.connection),
    REDIS_URL: redis.url,
    KEY: `bench-${processes}`,
    TABLE: table,
  };
  const start = () => world.start('Socket.IO', 'bench/peers/socket-io-chat.mjs', env);
  const servers = await Promise.all(Array.from({ length: processes }, start));
  const list = Array.from({ length: rooms * size }, (_, i) => {
    const auth = { conversation_id: 1 + Math.floor(i / size), username: `bench${i}` };
    const to = {
      path: '/socket.io/?EIO=4&transport=websocket',
      port: portOf(servers[i % processes]),
      greeting: `40${JSON.stringify(auth)}`,
    };
    return { ...auth, to };
  });
  return { name: 'Socket.IO', servers, list, text: toSocketIoText, query: world.query, table };
}

export const portOf = ({ url }) => Number(new URL(url).port);
