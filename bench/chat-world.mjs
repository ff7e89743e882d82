// The environment of the chat benches: PostgreSQL with users and conversations, Machi, and processes of clients.
import jwt from 'jsonwebtoken';
import { fork } from 'node:child_process';
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { startServer, usage } from './harness.mjs';

const SECRET_KEY = randomBytes(32).toString('hex');
const FAR_FUTURE = 253402300799;

export async function startWorld() {
  const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
  const postgres = new EmbeddedPostgres(dataDir, { warn: console.warn });
  await postgres.start();
  const { connection } = postgres;
  const machi = await startServer('Machi', 'dist/src/main.js', {
    NODE_ENV: 'test',
    PORT: '0',
    SECRET_KEY,
    RATE_LIMITS: 'off',
    BCRYPT_COST: '4',
    DB_HOST: connection.host,
    DB_NAME: connection.database,
    DB_USER: connection.user,
    DB_PASSWORD: connection.password,
  });
  const client = new pg.Client(connection);
  await client.connect();
  return {
    machi,
    connection,
    query: (text, values) => client.query(text, values),
    postgresCpu: () => postgresCpu(dataDir),
    async stop() {
      await client.end();
      await machi.stop();
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Creates users with sessions; returns their ids and tokens. */
export async function makeUsers({ query }, count) {
  const { rows } = await query(
    `with added as (
      insert into users (id, username, fullname, created_at, updated_at)
      select gen_random_uuid(), 'bench' || (coalesce((select max(id) from participants), 0) + i), 'Bench', now(), now()
      from generate_series(1, $1::int) i returning id
    )
    insert into sessions (id, user_id, token_id, issued_at, created_at, last_used_at)
    select gen_random_uuid(), id, gen_random_uuid(), now(), now(), now() from added returning id, user_id, token_id`,
    [count],
  );
  const key = createSecretKey(Buffer.from(SECRET_KEY));
  return rows.map(({ id, user_id, token_id }) => {
    const claims = { iss: 'urn:machi:test', iat: 1, nbf: 1, exp: FAR_FUTURE, sub: user_id, sid: id, jti: token_id };
    const user = { uid: user_id, username: '', groups: [], permissions: {} };
    return { user_id, token: jwt.sign({ ...claims, kind: 'identity', user }, key) };
  });
}

/** Creates a conversation of these users; returns its id. */
export async function makeConversation({ query }, users) {
  const { rows } = await query(`insert into conversations (name, created_at) values ('bench', now()) returning id`);
  await query(
    `insert into conversation_members (conversation_id, participant_id, created_at)
     select $1, id, now() from participants where user_id = any ($2::uuid[])`,
    [rows[0].id, users.map(({ user_id }) => user_id)],
  );
  return Number(rows[0].id);
}

/** CPU seconds used by all processes of the PostgreSQL in this folder. */
function postgresCpu(dataDir) {
  const postmaster = Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const ours = pids.filter((pid) => pid == postmaster || parentOf(pid) === postmaster);
  return ours.reduce((sum, pid) => sum + (usage(pid)?.cpu ?? 0), 0);
}

function parentOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1]);
  } catch {
    return 0;
  }
}

const ask = (child, task, data) =>
  new Promise((resolve, reject) => {
    const id = randomUUID();
    const listen = (message) => {
      if (message.id !== id) return;
      child.off('message', listen);
      child.off('exit', reject);
      resolve(message.result);
    };
    child.on('message', listen);
    child.once('exit', reject);
    child.send({ id, task, data });
  });

/** Starts processes of clients that execute the same tasks. */
export function startLoad(processes = 2) {
  const children = Array.from({ length: processes }, () => fork('bench/chat-load.mjs', { stdio: 'inherit' }));
  return {
    all: (task, data) => Promise.all(children.map((child) => ask(child, task, data))),
    /** Distributes the clients over the processes. */
    connect: (to, list) =>
      Promise.all(
        children.map((child, i) => ask(child, 'connect', { to, list: list.filter((_, j) => j % processes === i) })),
      ),
    stop: () => children.forEach((child) => child.kill()),
  };
}
