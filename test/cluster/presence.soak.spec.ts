import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ChatNodeService } from '../../src/chat/presence/chat-node.service.js';
import { PresenceService } from '../../src/chat/presence/presence.service.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { type ChatClient, connect, dial } from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes();
});
afterAll(() => stopNodes(nodes));

/** A connected user, a contact with a phone on the first node, and a function that connects a tablet to the second one. */
async function contacts() {
  const [one, other] = [await nodes[0].user(), await nodes[0].user()];
  const watcher = await connect(nodes[0], one);
  await watcher.get('add_contact', { contact_username: other.username });
  const phone = await connect(nodes[0], other);
  expect(await watcher.next()).toMatchObject({ type: 'user_status', data: { is_online: true } });
  const connectTablet = async (): Promise<ChatClient> => {
    const tablet = await connect(nodes[1], other);
    await expect.poll(() => nodesOf(other)).toBe(2);
    return tablet;
  };
  return { watcher, other, phone, connectTablet };
}

/** On how many nodes a user is recorded as online. */
async function nodesOf({ id }: SignedInUser): Promise<number> {
  const presences = 'select 1 from presences s join participants p on p.id = s.participant_id where p.user_id = $1';
  return (await nodes[0].dataSource.query<unknown[]>(presences, [id])).length;
}

interface Queries {
  query: (ids: number[], statement: string, values: unknown[]) => Promise<unknown[]>;
}

const statuses = ({ frames }: ChatClient): boolean[] =>
  frames.flatMap(({ type, data }) => (type === 'user_status' ? [data.is_online as boolean] : []));

/** Holds back both nodes until each wants to record a change of the user, and lets both go at once. */
async function recordAtOnce({ id }: SignedInUser, change: () => Promise<unknown>): Promise<void> {
  await nodes[0].dataSource.transaction(async (manager) => {
    await manager.query('select from participants where user_id = $1 for update', [id]);
    await change();
    const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(() => manager.query<unknown[]>(waiting)).toHaveLength(2);
  });
}

it('a user with connections to both nodes stays online until the last one closes', async () => {
  const { watcher, other, phone, connectTablet } = await contacts();
  const tablet = await connectTablet();
  await phone.close();
  await expect.poll(() => nodesOf(other)).toBe(1);
  await watcher.expectNoFrame();
  await tablet.close();
  expect(await watcher.next()).toMatchObject({ type: 'user_status', data: { is_online: false } });
});

it('a user whose connections to both nodes close at once is offline', async () => {
  const { watcher, other, phone, connectTablet } = await contacts();
  const tablet = await connectTablet();
  await recordAtOnce(other, () => Promise.all([phone.close(), tablet.close()]));
  await expect.poll(() => statuses(watcher)).toEqual([true, false]);
});

it('contacts of a user who leaves one node and connects to the other one at once see each change once', async () => {
  const { watcher, other, phone } = await contacts();
  let tablet: ChatClient | undefined;
  await recordAtOnce(other, () => {
    tablet = dial(nodes[1], other);
    return Promise.all([phone.close(), once(tablet.socket, 'open')]);
  });
  await expect.poll(() => nodesOf(other)).toBe(1);
  await tablet?.close();
  await expect.poll(() => nodesOf(other)).toBe(0);
  await connect(nodes[1], other);
  // they may have been offline for a moment
  await expect.poll(() => statuses(watcher).join()).toMatch(/^(true,false,){1,2}true$/);
});

it('a node that is slow to tell of a departure does not tell it after an arrival on another node', async () => {
  const { watcher, other, phone } = await contacts();
  const presence: Queries = nodes[0].app.get(PresenceService, { strict: false });
  const query = presence.query.bind(presence);
  presence.query = async (ids, statement, values) => {
    const changes = await query(ids, statement, values);
    if (statement.includes('departed')) await expect.poll(() => nodesOf(other)).toBe(1);
    return changes;
  };
  await phone.close();
  await expect.poll(() => nodesOf(other)).toBe(0);
  const tablet = await connect(nodes[1], other);
  await expect.poll(() => statuses(watcher)).toEqual([true, true]);
  presence.query = query;
  await tablet.close();
  await expect.poll(() => statuses(watcher)).toEqual([true, true, false]);
});

it('contacts are told that a user is online again when the lease of its node had ended', async () => {
  const { watcher, phone, connectTablet } = await contacts();
  const tablet = await connectTablet();
  await phone.close();
  const { id } = nodes[1].app.get(ChatNodeService, { strict: false });
  const end = `update chat_nodes set lease_until = now() - interval '6 seconds' where id = $1`;
  const endLease = async (): Promise<boolean[]> => {
    await nodes[0].dataSource.query(end, [id]);
    return statuses(watcher);
  };
  await expect.poll(endLease, { timeout: 30_000 }).toEqual([true, false]);
  await expect.poll(() => statuses(watcher), { timeout: 30_000 }).toEqual([true, false, true]);
  await tablet.close();
});

it('users of a node that shuts down are not shown as offline if they connect to another node, else after its lease', async () => {
  const { SECRET_KEY } = nodes[0].config;
  const leaving = await startApp({ env: { SECRET_KEY, BUS: 'postgres' }, database: nodes[0].connection });
  const [one, moving, gone] = [await nodes[0].user(), await nodes[0].user(), await nodes[0].user()];
  const watcher = await connect(nodes[0], one);
  for (const { username } of [moving, gone]) await watcher.get('add_contact', { contact_username: username });
  for (const user of [moving, gone]) {
    await connect(leaving, user);
    expect(await watcher.next()).toMatchObject({
      type: 'user_status',
      data: { username: user.username, is_online: true },
    });
  }
  await leaving.stop();
  await connect(nodes[1], moving);
  await expect.poll(() => nodesOf(moving)).toBe(2); // the node that has left, and the other one
  await nodes[0].dataSource.query(`update chat_nodes set lease_until = now() - interval '1 second'
    where id not in (select objid::int from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = current_database())`);
  expect(await watcher.next()).toEqual({
    success: true,
    type: 'user_status',
    data: { username: gone.username, is_online: false },
  });
  await watcher.expectNoFrame();
});
