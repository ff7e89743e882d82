import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { connect, createConversation } from '../../support/clients/chat-client.js';

let t: TestApp;
/** A stored message. */
let message: { conversation_id: string; sender_id: string };
beforeAll(async () => {
  t = await startApp();
  const client = await connect(t, await t.user());
  const conversation_id = await createConversation(client);
  await client.get('send_message', { conversation_id, content: 'kept' });
  [message] = (await t.dataSource.query('select conversation_id, sender_id from messages')) as [typeof message];
});
afterAll(() => t.stop());

const INSERT = `insert into messages (conversation_id, sequence, revision, sender_id, nonce, content, sent_at)
  select id, 100 + row_number() over (), 100 + row_number() over (), sender_id, gen_random_uuid(), 'other', now()
  from unnest($1::bigint[], $2::bigint[]) as m (id, sender_id)`;

it.each([
  [
    'conversation',
    () => [
      [message.conversation_id, '1000000'],
      [message.sender_id, message.sender_id],
    ],
  ],
  [
    'sender',
    () => [
      [message.conversation_id, message.conversation_id],
      [message.sender_id, '1000000'],
    ],
  ],
])('messages are refused if the %s of one of them does not exist', async (_, values) => {
  const inserting = t.dataSource.query(INSERT, values());
  await expect(inserting).rejects.toMatchObject({ code: '23503', table: 'messages' });
  expect(await t.dataSource.query('select content from messages')).toEqual([{ content: 'kept' }]);
});

it.each([
  'delete from conversations',
  'delete from participants',
  'truncate conversations cascade',
  'truncate participants cascade',
  'update conversations set id = default',
  'update participants set id = default',
  'update messages set conversation_id = conversation_id + 1',
  'update messages set sender_id = sender_id + 1',
])('%s is refused', async (statement) => {
  await expect(t.dataSource.query(statement)).rejects.toMatchObject({ code: '23503' });
});
