import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestApp } from '../support/app.js';
import { connect, createConversation } from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes();
});
afterAll(() => stopNodes(nodes));

it.each([
  ['no JSON', 'x'],
  ['no frame', '{}'],
  ['an item that is none', '["0123456789ab",1,[null]]'],
  ['a message of another shape', '["0123456789ab",2,[["messages",null,0]]]'],
  ['an event of a user of another shape', '["0123456789ab",3,[["user_event",null,0]]]'],
  ['a heartbeat of another shape', '["0123456789ab",0,[["heartbeat",null,0]]]'],
])('%s on the bus does not stop the nodes, which still deliver each other their messages', async (_, payload) => {
  const [hana, ren] = [await nodes[0].user(), await nodes[1].user()];
  const [here, there] = [await connect(nodes[0], hana), await connect(nodes[1], ren)];
  const conversation_id = await createConversation(here, there);
  await nodes[0].dataSource.query(`select pg_notify('bus', $1)`, [payload]);
  await here.get('send_message', { conversation_id, content: 'still here' });
  expect(await there.next()).toMatchObject({ data: { content: 'still here' } });
});
