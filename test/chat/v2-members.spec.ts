import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsersService } from '../../src/users/users.service.js';
import { startApp, type TestApp } from '../support/app.js';
import {
  type ChatClient,
  connect,
  connectUsers,
  createConversation,
  type Frame,
  V2,
} from '../support/clients/chat-client.js';

let t: TestApp;
let owner: ChatClient;
let admin: ChatClient;
let member: ChatClient;
let outsider: ChatClient;
let id: number;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
  [owner, admin, member, outsider] = (await connectUsers(t, 4, V2)) as [ChatClient, ChatClient, ChatClient, ChatClient];
  id = await createConversation(owner, admin, member);
  await change(owner, 'set_role', { username: admin.username, role: 'admin' }, [admin, member]);
});
afterAll(() => t.stop());

/** Sends a request that changes the conversation. It is answered, and told to the caller and to the others. */
async function change(client: ChatClient, type: string, fields: Frame, others: ChatClient[], conversation_id = id) {
  client.send({ type, conversation_id, ...fields });
  const event = await client.next();
  expect(event).toMatchObject({ type: 'conversation_event', data: { conversation_id, username: client.username } });
  const answer = await client.next();
  expect(answer).toEqual({
    success: true,
    type,
    data: { conversation_id, revision: event['data'].revision as number },
  });
  for (const other of others) expect(await other.next()).toEqual(event);
  return event['data'] as Frame;
}

const codeOf = async (client: ChatClient, type: string, fields: Frame = {}, conversation_id = id) =>
  (await client.ask(type, { conversation_id, ...fields }))['code'] as string | undefined;

const rolesOf = async (client: ChatClient, conversation_id: number): Promise<Record<string, string>> => {
  const { members } = await client.get('get_members', { conversation_id });
  return Object.fromEntries((members as Frame[]).map(({ username, role }) => [username, role])) as Record<
    string,
    string
  >;
};

describe('the roles of a conversation', () => {
  it('allow what the table of docs/chat.md says', async () => {
    const requests: [string, Frame][] = [
      ['rename', { name: 'x' }],
      ['add_members', { members: [outsider.username] }],
      ['remove_member', { username: admin.username }],
      ['remove_member', { username: owner.username }],
      ['set_role', { username: member.username, role: 'owner' }],
      ['set_role', { username: member.username, role: 'admin' }],
    ];
    const refusals = async (client: ChatClient, code: string) => {
      for (const [type, fields] of requests) expect([type, await codeOf(client, type, fields)]).toEqual([type, code]);
    };
    await refusals(member, 'chat_role_required');
    await refusals(outsider, 'conversation_not_found');
    expect(await codeOf(admin, 'remove_member', { username: owner.username })).toBe('chat_role_required');
    expect(await codeOf(admin, 'set_role', { username: member.username, role: 'admin' })).toBe('chat_role_required');
    expect(await codeOf(owner, 'set_role', { username: owner.username, role: 'member' })).toBe('last_owner');
    expect(await codeOf(owner, 'set_role', { username: outsider.username, role: 'admin' })).toBe(
      'chat_member_not_found',
    );
    expect(await codeOf(owner, 'set_role', { username: member.username, role: 'king' })).toBe('invalid_frame');
    expect(await rolesOf(member, id)).toEqual({
      [owner.username]: 'owner',
      [admin.username]: 'admin',
      [member.username]: 'member',
    });
  });

  it('let an admin rename, add members and remove them', async () => {
    const event = await change(admin, 'rename', { name: '  Boats  ' }, [owner, member]);
    expect(event).toMatchObject({ kind: 'renamed', name: 'Boats' });
    await admin.get('rename', { conversation_id: id, name: 'Boats' }); // changes nothing and tells nothing
    await owner.expectNoFrame();
    const added = await change(admin, 'add_members', { members: [outsider.username, member.username] }, [
      owner,
      member,
      outsider,
    ]);
    expect(added).toMatchObject({ kind: 'members_added', usernames: [outsider.username], name: 'Boats' });
    const removed = await change(admin, 'remove_member', { username: outsider.username }, [owner, member, outsider]);
    expect(removed).toMatchObject({ kind: 'member_removed', usernames: [outsider.username] });
    expect(await codeOf(outsider, 'get_members')).toBe('conversation_not_found');
    expect(removed['revision']).toBe((added['revision'] as number) + 1);
  });

  it('exist in conversations of old clients, too, whose creator is the owner', async () => {
    const [old] = (await connectUsers(t, 1)) as [ChatClient];
    const other = await createConversation(old, member);
    expect(await rolesOf(member, other)).toEqual({ [old.username]: 'owner', [member.username]: 'member' });
    await old.expectNoFrame();
  });
});

describe('add_members', () => {
  it('shows nothing of what was written before', async () => {
    const other = await createConversation(owner, member);
    const { id: before } = await owner.get('send_message', { conversation_id: other, content: 'before' });
    await member.next();
    await change(owner, 'add_members', { members: [outsider.username] }, [member, outsider], other);
    const { id: after } = await owner.get('send_message', { conversation_id: other, content: 'after' });
    for (const client of [member, outsider]) await client.next();
    const { messages } = await outsider.get('get_messages', { conversation_id: other });
    expect(messages).toMatchObject([{ id: after }]);
    const { conversations } = await outsider.get('sync', { before: other + 1 });
    expect((conversations as Frame[])[0]).toMatchObject({ unread_count: 1, last_message: { id: after } });
    for (const type of ['mark_read', 'react', 'edit_message', 'delete_message']) {
      expect(await codeOf(outsider, type, { message_id: before, content: 'x', emoji: '🎉' }, other)).toBe(
        'message_not_found',
      );
    }
    await change(owner, 'edit_message', { message_id: before, content: 'secret' }, [member], other);
    await outsider.expectNoFrame();
    const { conversations: resumed } = await outsider.get('resume', {
      cursors: [{ conversation_id: other, message_id: 0, revision: 0 }],
    });
    const [{ events }] = resumed as [Frame];
    expect((events as Frame[]).map(({ kind }) => kind as string)).toEqual(['members_added', 'message']);
  });

  it('treats blocks as create_conversation does', async () => {
    const [one, two, three] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
    const other = await createConversation(one, three);
    await two.get('block', { username: one.username });
    expect(await codeOf(one, 'add_members', { members: [two.username] }, other)).toBe('user_not_found');
    await two.get('unblock', { username: one.username });
    await one.get('block', { username: two.username });
    expect(await codeOf(one, 'add_members', { members: [two.username] }, other)).toBe('user_blocked');
    await one.get('unblock', { username: two.username });
    await two.get('block', { username: three.username });
    await change(one, 'add_members', { members: [two.username] }, [three, two], other);
    await three.get('send_message', { conversation_id: other, content: 'not for two' });
    await one.next();
    await two.expectNoFrame();
  });

  it('refuses more than 1,001 members', async () => {
    const other = await createConversation(owner);
    await t.dataSource.query('update conversations set members_count = 1001 where id = $1', [other]);
    expect(await codeOf(owner, 'add_members', { members: [member.username] }, other)).toBe('conversation_full');
  });
});

describe('get_members', () => {
  it('returns each member on one page when more than a page of them are deleted', async () => {
    const other = await createConversation(owner, member);
    await t.dataSource.query(
      `with deleted as (insert into participants (user_id) select null from generate_series(1, 600) returning id)
      insert into conversation_members (conversation_id, participant_id, created_at) select $1, id, now() from deleted`,
      [other],
    );
    const names: string[] = [];
    for (;;) {
      const { members } = await owner.get('get_members', { conversation_id: other, after: names.at(-1) });
      if ((members as Frame[]).length === 0) break;
      names.push(...(members as Frame[]).map(({ username }) => username as string));
    }
    const named = [owner.username, member.username].toSorted();
    expect(names).toEqual([...named, ...Array.from({ length: 600 }, () => '[deleted]')]);
  });
});

describe('the last owner', () => {
  it('who leaves is followed by an admin, then by the member of longest standing', async () => {
    const [one, two, three] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
    const other = await createConversation(one, two, three);
    await change(one, 'set_role', { username: three.username, role: 'admin' }, [two, three], other);
    one.send({ type: 'leave', conversation_id: other });
    expect(await two.next()).toMatchObject({ data: { kind: 'member_left', username: one.username } });
    const passed = { data: { kind: 'role_changed', usernames: [three.username], role: 'owner' } };
    expect(await two.next()).toMatchObject(passed);
    expect(await rolesOf(two, other)).toEqual({ [three.username]: 'owner', [two.username]: 'member' });
    expect(await one.next()).toMatchObject({ data: { kind: 'member_left' } });
    expect(await one.next()).toMatchObject({ type: 'leave', success: true });
    await one.expectNoFrame();
  });

  it('whose account is deleted is followed by another member', async () => {
    const user = await t.user();
    const one = await connect(t, user, V2);
    const other = await createConversation(one, member);
    const { status } = await t.request('DELETE', '/api/users/me', {
      token: user.token,
      body: { password: user.password },
    });
    expect(status).toBe(204);
    expect(await member.next()).toMatchObject({ data: { kind: 'role_changed', usernames: [member.username] } });
    expect(await rolesOf(member, other)).toEqual({ '[deleted]': 'member', [member.username]: 'owner' });
  });

  it('remains when all owners leave or step down at the same time', async () => {
    await t.warmUp();
    const clients = (await connectUsers(t, 4, V2)) as [ChatClient, ChatClient, ChatClient, ChatClient];
    const [first, second, third] = clients;
    const isAnswered = ({ frames }: ChatClient, request_id: string) =>
      frames.some((frame) => frame['request_id'] === request_id);
    for (let round = 0; round < 8; round++) {
      const request_id = `round ${round}`;
      first.send({ type: 'create_conversation', members: clients.map(({ username }) => username), request_id });
      await expect.poll(() => isAnswered(first, request_id)).toBe(true);
      const conversation_id = first.frames.find((frame) => frame['request_id'] === request_id)!['data'].id as number;
      const send = (client: ChatClient, type: string, fields: Frame = {}) =>
        client.send({ type, conversation_id, request_id: `${request_id} ${type}`, ...fields });
      send(first, 'set_role', { username: second.username, role: 'owner' });
      await expect.poll(() => isAnswered(first, `${request_id} set_role`)).toBe(true);
      if (round % 2) send(first, 'leave');
      else send(first, 'set_role', { username: first.username, role: 'member' });
      send(second, 'set_role', { username: third.username, role: 'owner' });
      for (const client of [second, third]) send(client, 'leave');
      for (const client of [second, third])
        await expect.poll(() => isAnswered(client, `${request_id} leave`)).toBe(true);
      const owners = `select 1 from conversation_members where conversation_id = $1 and role = 'owner'`;
      expect((await t.dataSource.query<unknown[]>(owners, [conversation_id])).length).toBeGreaterThan(0);
      const counts = `select c.members_count as counted, (
          select count(*)::int from conversation_members m where m.conversation_id = c.id
        ) as members from conversations c where c.id = $1`;
      const [row] = await t.dataSource.query<[{ counted: number; members: number }]>(counts, [conversation_id]);
      expect(row.counted).toBe(row.members);
    }
  });
});

describe('a conversation whose next owner is being deleted', () => {
  /** Runs `work` while the account of `leaver` is being deleted in a transaction, which is committed afterwards. */
  async function duringDeletion(leaver: ChatClient, work: () => Promise<unknown>): Promise<void> {
    const users = t.app.get(UsersService, { strict: false });
    const ids = await t.dataSource.transaction((manager) => users.findIdsByUsername(manager, [leaver.username]));
    let answer: Promise<unknown> = Promise.resolve();
    await t.dataSource.transaction(async (manager) => {
      await users.remove(manager, ids.get(leaver.username)!);
      answer = work();
      await sleep(400); // it waits for the transaction
    });
    await answer;
    await sleep(200); // what was sent without waiting for the answer
  }

  it.each(['leaves', 'is deleted', 'promotes that member'])('keeps an owner when the owner %s', async (how) => {
    const [creator, next, last] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
    const conversation_id = await createConversation(creator, next, last);
    await duringDeletion(next, async () => {
      if (how === 'leaves') return creator.send({ type: 'leave', conversation_id });
      if (how === 'promotes that member') {
        creator.send({ type: 'set_role', conversation_id, username: next.username, role: 'owner' });
        return creator.send({ type: 'set_role', conversation_id, username: creator.username, role: 'member' });
      }
      const users = t.app.get(UsersService, { strict: false });
      return t.dataSource.transaction(async (manager) => {
        const ids = await users.findIdsByUsername(manager, [creator.username]);
        await users.remove(manager, ids.get(creator.username)!);
      });
    });
    const owners = `select u.username from conversation_members m join participants p on p.id = m.participant_id
      join users u on u.id = p.user_id where m.conversation_id = $1 and m.role = 'owner'`;
    const expected = how === 'promotes that member' ? creator.username : last.username;
    expect(await t.dataSource.query(owners, [conversation_id])).toEqual([{ username: expected }]);
  });
});
