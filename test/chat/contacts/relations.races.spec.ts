import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, connectUsers, createConversation, V2 } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** The rows about these two as contacts: two if they are contacts of each other. */
async function contactsAmong(one: ChatClient, two: ChatClient): Promise<number> {
  const rows = await t.dataSource.query<unknown[]>(
    `select 1 from contacts c join participants p on p.id = c.participant_id join users u on u.id = p.user_id
     where u.username = any ($1)`,
    [[one.username, two.username]],
  );
  return rows.length;
}

it('of messages and a concurrent block, none that is stored after the block reaches its owner', async () => {
  await t.warmUp();
  for (let round = 0; round < 15; round++) {
    const [victim, blocked] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    const id = await createConversation(victim, blocked);
    for (let i = 0; i < 30; i++) blocked.send({ type: 'send_message', conversation_id: id, content: `m${i}` });
    victim.send({ type: 'block', username: blocked.username });
    for (let i = 30; i < 60; i++) blocked.send({ type: 'send_message', conversation_id: id, content: `m${i}` });
    const sent = ({ frames }: ChatClient) => frames.filter(({ type }) => type === 'send_message');
    await expect.poll(() => sent(blocked).length).toBe(60);
    await expect.poll(() => victim.frames.some(({ type }) => type === 'block')).toBe(true);
    const stored = sent(blocked).filter(({ success }) => success === true);
    await expect.poll(() => sent(victim).length).toBe(stored.length);
    const outcomes = sent(blocked).map(({ success }) => success as boolean);
    expect(outcomes).toEqual(outcomes.toSorted((a, b) => Number(b) - Number(a))); // once refused, always refused
    blocked.send({ type: 'send_message', conversation_id: id, content: 'late' });
    await expect.poll(() => sent(blocked)[60]).toMatchObject({ success: false });
    await Promise.all([victim.close(), blocked.close()]);
  }
});

it('of a new conversation and a concurrent block, either the conversation is refused or it knows of the block', async () => {
  await t.warmUp();
  for (let round = 0; round < 25; round++) {
    const [victim, blocked] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    blocked.send({ type: 'create_conversation', members: [victim.username] });
    victim.send({ type: 'block', username: blocked.username });
    blocked.send({ type: 'add_contact', contact_username: victim.username });
    await expect.poll(() => victim.frames.some(({ type }) => type === 'block')).toBe(true);
    await expect.poll(() => blocked.frames.some(({ type }) => type === 'add_contact')).toBe(true);
    const created = blocked.frames.find(({ type }) => type === 'create_conversation');
    if (created!['success'] === true) {
      blocked.send({ type: 'send_message', conversation_id: created!['data'].id, content: 'x' });
      await expect
        .poll(() => blocked.frames.find(({ type }) => type === 'send_message'))
        .toMatchObject({ success: false });
    }
    const rows = await t.dataSource.query<unknown[]>(
      `select 1 from blocks b where exists (
        select from contact_requests r where b.participant_id in (r.first_id, r.second_id) and b.blocked_id in (r.first_id, r.second_id)
      ) or exists (select from contacts c where c.participant_id = b.participant_id and c.contact_id = b.blocked_id)`,
    );
    expect(rows).toEqual([]);
    await Promise.all([victim.close(), blocked.close()]);
  }
});

it('of concurrent requests of two users to each other, exactly one contact comes out', async () => {
  await t.warmUp();
  for (let round = 0; round < 15; round++) {
    const [one, two] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    one.send({ type: 'add_contact', contact_username: two.username });
    two.send({ type: 'add_contact', contact_username: one.username });
    const answers = () => [one, two].flatMap(({ frames }) => frames.filter(({ type }) => type === 'add_contact'));
    await expect.poll(() => answers().length).toBe(2);
    expect(
      answers()
        .map(({ data }) => data.message as string)
        .toSorted(),
    ).toEqual(['contact added', 'contact requested']);
    expect(await contactsAmong(one, two)).toBe(2);
    await Promise.all([one.close(), two.close()]);
  }
});

it('of an acceptance and a concurrent withdrawal, both answers agree with what remains', async () => {
  await t.warmUp();
  for (let round = 0; round < 25; round++) {
    const [one, two] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    await one.ask('add_contact', { contact_username: two.username });
    await two.next();
    one.send({ type: 'remove_contact', contact_username: two.username });
    two.send({ type: 'accept_contact', contact_username: one.username });
    const answerOf = ({ frames }: ChatClient, type: string) => frames.find((frame) => frame['type'] === type);
    await expect.poll(() => answerOf(one, 'remove_contact')).toBeDefined();
    await expect.poll(() => answerOf(two, 'accept_contact')).toBeDefined();
    expect(answerOf(one, 'remove_contact')).toMatchObject({ success: true }); // a request, or the contact made of it
    expect(await contactsAmong(one, two)).toBe(0);
    await Promise.all([one.close(), two.close()]);
  }
});

it('of a message and a concurrent leaving of its sender or of a receiver, all agree on the order', async () => {
  await t.warmUp();
  for (let round = 0; round < 15; round++) {
    const [one] = await connectUsers(t, 1, V2);
    const other = await t.user();
    const two = await connect(t, other, V2);
    const id = await createConversation(one!, two);
    for (let i = 0; i < 20; i++) one!.send({ type: 'send_message', conversation_id: id, content: `m${i}` });
    two.send({ type: 'leave', conversation_id: id });
    const leaver = round % 2 === 0 ? undefined : one!.send({ type: 'leave', conversation_id: id });
    expect(leaver).toBeUndefined();
    for (let i = 0; i < 20; i++) one!.send({ type: 'send_message', conversation_id: id, content: `n${i}` });
    await expect.poll(() => one!.frames.filter(({ type }) => type === 'send_message').length).toBe(40);
    const stored = one!.frames.filter(({ type, success }) => type === 'send_message' && success === true);
    const count = 'select count(*)::int as count from messages where conversation_id = $1';
    const [row] = await t.dataSource.query<{ count: number }[]>(count, [id]);
    expect(row!.count).toBe(stored.length);
    expect(stored).toHaveLength(round % 2 === 0 ? 40 : 20);
    const seen = two.frames.filter(({ type }) => type === 'send_message').map(({ data }) => data.content as string);
    expect(seen).toEqual(stored.map(({ data }) => data.content as string).slice(0, seen.length));
    await Promise.all([one!.close(), two.close()]);
  }
});

it('two users of old clients who add each other become contacts once', async () => {
  await t.warmUp();
  for (let round = 0; round < 20; round++) {
    const [one, two] = await connectUsers(t, 2);
    one!.send({ type: 'add_contact', contact_username: two!.username });
    two!.send({ type: 'add_contact', contact_username: one!.username });
    const answers = await Promise.all([one!.next(), two!.next()]);
    expect(answers.filter(({ success }) => success)).toHaveLength(1);
    expect(await contactsAmong(one!, two!)).toBe(2);
    await Promise.all([one!.close(), two!.close()]);
  }
});
