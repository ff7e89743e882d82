// Shared by the chat benches: conversations, and processes of clients.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { withWorld } from './world.mjs';

/** Runs `work` with a world (see withWorld) and this number of client processes. */
export function withChat(processes, work, env = {}) {
  return withWorld(env, async (world) => {
    const load = startLoad(processes);
    try {
      return await work(world, load);
    } finally {
      load.stop();
    }
  });
}

/** How a client with this token connects. */
export const toMachi = ({ token }) => ({ path: '/api/ws', headers: { authorization: `Bearer ${token}` } });

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
function startLoad(processes) {
  const children = Array.from({ length: processes }, () => fork('bench/support/chat-load.mjs', { stdio: 'inherit' }));
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
