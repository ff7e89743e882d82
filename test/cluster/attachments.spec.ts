import { afterAll, beforeAll, expect, it } from 'vitest';
import { FollowedConversationsService } from '../../src/chat/delivery/followed-conversations.service.js';
import type { TestApp } from '../support/app.js';
import { attach, imagesOf } from '../support/clients/attachments.js';
import { connect, createConversation, V2 } from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes();
});
afterAll(() => stopNodes(nodes));

it('members on other nodes get the attachments, by the bus and by a repair, and old clients there a placeholder', async () => {
  const [hana, ren, mio] = [await nodes[0].user(), await nodes[0].user(), await nodes[0].user()];
  const here = await connect(nodes[0], hana, V2);
  const there = await connect(nodes[1], ren, V2);
  const old = await connect(nodes[1], mio);
  const conversation_id = await createConversation(here, there, old);
  const send = async (seed: number) => {
    const { id } = await attach(nodes[0], hana, seed);
    const sent = await here.get('send_message', { conversation_id, content: '', attachments: [id] });
    expect((await there.next())['data']).toEqual(sent);
    const { attachments: _, ...text } = sent;
    expect((await old.next())['data']).toEqual({ ...text, content: '[attachment]' });
    return id;
  };
  const id = await send(1);
  expect(Object.keys(await imagesOf(nodes[1], ren, id))).toHaveLength(4);
  await here.get('send_message', { conversation_id, content: 'plain' });
  expect([await there.next(), await old.next()]).toMatchObject([
    { data: { content: 'plain' } },
    { data: { content: 'plain' } },
  ]);

  // The other node loses what it is told of the next messages, and reads it from the database.
  const followed = nodes[1].app.get(FollowedConversationsService);
  const accept = followed.accept.bind(followed);
  let isLost = true;
  followed.accept = (segment) => {
    if (isLost) {
      isLost = false;
      followed.noteMissed(segment.conversationId, segment.first);
    } else accept(segment);
  };
  await send(2);
  expect(isLost).toBe(false);
});

it('one of 20 concurrent sends on two nodes stores the attachment, and nothing waits for another in a circle', async () => {
  const hana = await nodes[0].user();
  const ids: string[] = [];
  for (const seed of [1, 2, 3]) ids.push((await attach(nodes[0], hana, seed)).id);
  const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(nodes[i % 2]!, hana, V2)));
  const conversations = [await createConversation(clients[0]!), await createConversation(clients[0]!)];
  const answers = await Promise.all(
    clients.map(async (client, i) => {
      const attachments = i % 3 ? ids : ids.toReversed();
      const fields = { conversation_id: conversations[i % 2 ? (i % 4) >> 1 : 0], content: '', attachments };
      let frame = await client.ask('send_message', { ...fields, request_id: 'own' });
      while (frame['request_id'] !== 'own') frame = await client.next();
      return frame;
    }),
  );
  const outcomes = answers.map(({ success, code }) => (success ? 'stored' : (code as string)));
  expect(outcomes.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'attachment_used'), 'stored']);
  const [{ count }] = await nodes[0].dataSource.query<[{ count: number }]>(
    'select count(*)::int as count from messages where conversation_id = any ($1)',
    [conversations],
  );
  expect(count).toBe(1);
});

it('a message of another node that is sent again here is answered with its attachments', async () => {
  const hana = await nodes[0].user();
  const here = await connect(nodes[0], hana, V2);
  const conversation_id = await createConversation(here);
  const { id } = await attach(nodes[0], hana);
  const fields = { conversation_id, content: '', nonce: 'again', attachments: [id] };
  const sent = await here.get('send_message', fields);
  const there = await connect(nodes[1], hana, V2);
  expect(await there.get('send_message', fields)).toEqual(sent);
});
