import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { createConversation, connectUsers } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const refused = (type: string, error: string) => ({ success: false, type, error });

it('send_message with the reply_id of another conversation answers that there is no such message in this one', async () => {
  const [one] = await connectUsers(t, 1);
  const [here, there] = [await createConversation(one!), await createConversation(one!)];
  const { id } = await one!.get('send_message', { conversation_id: here, content: 'first' });
  for (const reply_id of [id as number, 999_999]) {
    const answer = await one!.ask('send_message', { conversation_id: there, content: 'no', reply_id });
    expect(answer).toEqual(refused('send_message', 'The message to reply to does not exist in this conversation.'));
  }
});

it('add_contact answers the later of two concurrent requests that the users are contacts already', async () => {
  await t.warmUp();
  for (let round = 0; round < 12; round++) {
    const [one, two] = await connectUsers(t, 2);
    one!.send({ type: 'add_contact', contact_username: two!.username });
    two!.send({ type: 'add_contact', contact_username: one!.username });
    const answers = await Promise.all([one!.next(), two!.next()]);
    const late = answers.filter(({ success }) => !success);
    expect(late).toEqual([refused('add_contact', 'This user is already a contact.')]);
    await Promise.all([one!.close(), two!.close()]);
  }
});
