import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { type ChatClient, connectUsers, createConversation, V2 } from '../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const tokenOf = (client: ChatClient) => t.signIn(client.username, 'cloudy harbour seven');
const NOT_FOUND = 'This conversation does not exist or you are not a member of it.';
const refused = (type: string) => ({ success: false, type, error: NOT_FOUND });

async function leave(client: ChatClient, id: number) {
  return (await t.request('DELETE', `/api/chat/conversations/${id}`, { token: await tokenOf(client) })).status;
}

it('DELETE /api/chat/conversations/{id} removes the caller, who then gets nothing of the conversation', async () => {
  const [one, two, three] = await connectUsers(t, 3);
  const id = await createConversation(one!, two!, three!);
  await one!.get('send_message', { conversation_id: id, content: 'before' });
  for (const client of [two!, three!]) await client.next();
  expect(await leave(two!, id)).toBe(204);
  await one!.get('send_message', { conversation_id: id, content: 'after' });
  expect(await three!.next()).toMatchObject({ data: { content: 'after' } });
  await two!.expectNoFrame();
  expect(await two!.get('get_conversations')).toEqual([]);
  expect(await two!.ask('get_messages', { conversation_id: id })).toEqual(refused('get_messages'));
  expect(await two!.ask('send_message', { conversation_id: id, content: 'x' })).toEqual(refused('send_message'));
  expect((await one!.get('get_conversation_info', { id }))['members']).toEqual(
    [one!.username, three!.username].toSorted(),
  );
  expect((await one!.get('get_messages', { conversation_id: id }))['messages']).toHaveLength(2);
  expect(await leave(two!, id)).toBe(404);
});

it('leave of machi.v2 removes the caller and answers only them', async () => {
  const [one] = await connectUsers(t, 1);
  const [two] = await connectUsers(t, 1, V2);
  const id = await createConversation(one!, two!);
  expect((await two!.askPastPushes('leave', { conversation_id: id }))['data']).toEqual({ conversation_id: id });
  await one!.expectNoFrame();
  expect((await one!.get('get_conversation_info', { id }))['members']).toEqual([one!.username]);
  expect(await two!.ask('leave', { conversation_id: id })).toEqual({
    ...refused('leave'),
    code: 'conversation_not_found',
  });
});

it('events of machi.v2 are unknown types to old clients', async () => {
  const [old] = await connectUsers(t, 1);
  for (const type of ['leave', 'accept_contact', 'remove_contact', 'get_contact_requests', 'block', 'unblock']) {
    expect(await old!.ask(type, { conversation_id: 1, username: 'x', contact_username: 'x' })).toEqual({
      success: false,
      type: 'root',
      error: 'There is no such type.',
    });
  }
});

it.each(['abc', '0', '-1', '1.5', '1e3', '9'.repeat(30), '%00', '1'])(
  'DELETE /api/chat/conversations/%s of a conversation that the caller is no member of answers 404 or 400',
  async (id) => {
    const { token } = await t.user();
    const { status } = await t.request('DELETE', `/api/chat/conversations/${id}`, { token });
    expect([400, 404]).toContain(status);
  },
);

it('a conversation that all members have left answers everyone as if it did not exist', async () => {
  const [one, two] = await connectUsers(t, 2);
  const id = await createConversation(one!, two!);
  for (const client of [one!, two!]) await leave(client, id);
  for (const client of [one!, two!]) {
    for (let i = 0; i < 2; i++) {
      const answer = await client.ask('send_message', { conversation_id: id, content: 'anyone?' });
      expect(answer).toEqual(refused('send_message'));
    }
  }
});
