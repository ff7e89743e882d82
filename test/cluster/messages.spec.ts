import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestApp } from '../support/app.js';
import {
  type ChatClient,
  connect,
  createConversation,
  type Frame,
  connectUsers,
} from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

/** Without a bus: frames reach connections to the same node only. */
let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes({ BUS: 'memory' });
});
afterAll(() => stopNodes(nodes));

const deadlocks = async (): Promise<number> => {
  const sql = 'select deadlocks::int as count from pg_stat_database where datname = current_database()';
  return (await nodes[0].dataSource.query<{ count: number }[]>(sql))[0]!.count;
};

async function take(client: ChatClient, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.length < count) frames.push(await client.next());
  return frames;
}

it('appends of two nodes to the same conversations form one order without gaps or deadlocks', async () => {
  const user = await nodes[0].user();
  const here = await connect(nodes[0], user);
  const ids = [await createConversation(here), await createConversation(here), await createConversation(here)];
  const there = await connect(nodes[1], user);
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 15; i++) {
      for (const id of ids) here.send({ type: 'send_message', conversation_id: id, content: `here ${round} ${i}` });
      for (const id of ids.toReversed())
        there.send({ type: 'send_message', conversation_id: id, content: `there ${i}` });
    }
    const answers = await Promise.all([take(here, 45), take(there, 45)]);
    expect(answers.flat().every(({ success }) => success)).toBe(true);
  }
  for (const id of ids) {
    const rows = await nodes[0].dataSource.query<{ id: string; sequence: string; revision: string }[]>(
      'select id, sequence, revision from messages where conversation_id = $1 order by sequence',
      [id],
    );
    expect(rows.map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    expect(rows.map(({ revision }) => Number(revision))).toEqual(rows.map((_, i) => i + 2)); // the first revision added the member
    const order = rows.map((row) => Number(row.id));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  }
  expect(await deadlocks()).toBe(0);
});

it('users of a node that died are offline as of its last heartbeat', async () => {
  const { dataSource } = nodes[0];
  const user = await nodes[0].user();
  const died = new Date(Date.now() - 3_600_000);
  await dataSource.query(`update users set created_at = created_at - interval '1 day' where id = $1`, [user.id]);
  await dataSource.query(
    `with node as (insert into chat_nodes (seen_at) values ($1) returning id)
      insert into presences (participant_id, node_id) select p.id, node.id from participants p, node where p.user_id = $2`,
    [died, user.id],
  );
  const [observer] = await connectUsers(nodes[0], 1);
  const lastOnline = async () => {
    const [row] = await dataSource.query<{ at: Date | null }[]>(
      'select last_online_at as at from participants where user_id = $1',
      [user.id],
    );
    return row!.at;
  };
  await expect.poll(lastOnline).toEqual(died);
  const { contact } = await observer!.get('add_contact', { contact_username: user.username });
  expect(contact).toMatchObject({ is_online: false, last_online: Math.floor(died.getTime() / 1000) });
});
