import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, connectUsers, type Frame, V2 } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const tokenOf = (client: ChatClient) => t.signIn(client.username, 'cloudy harbour seven');
const removeOverHttp = async (client: ChatClient, username: string) =>
  (await t.request('DELETE', `/api/chat/contacts/${username}`, { token: await tokenOf(client) })).status;
const contactsOf = async (client: ChatClient) => (await client.get('get_contacts'))['contacts'] as string[];
const requestsOf = async (client: ChatClient) => (await client.get('get_contact_requests')) as unknown as Frame[];
const ask = (client: ChatClient, type: string, other: ChatClient) =>
  client.ask(type, { contact_username: other.username });
const failure = (type: string, error: string, code: string) => ({ success: false, type, error, code });

it('an upgrade that offers machi.v2 is answered with it; others as before', async () => {
  const user = await t.user();
  const protocolOf = async (...protocols: string[]) => {
    const client = await connect(t, user, { protocols });
    await client.close();
    return client.socket.protocol;
  };
  expect(await protocolOf('machi.v2')).toBe('machi.v2');
  expect(await protocolOf('graphql-ws', 'machi.v2')).toBe('machi.v2');
  expect(await protocolOf('graphql-ws')).toBe('graphql-ws');
  expect(await protocolOf()).toBe('');
});

it('add_contact of machi.v2 shows nothing of a stranger until the stranger accepts', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  expect(await ask(one!, 'add_contact', two!)).toEqual({
    success: true,
    type: 'add_contact',
    data: { message: 'contact requested', contact: null },
  });
  const request = { id: expect.any(Number), username: one!.username, fullname: expect.any(String), is_incoming: true };
  const pushed = await two!.next();
  expect(pushed).toMatchObject({ success: true, type: 'contact_request', data: request });
  expect([await contactsOf(one!), await contactsOf(two!)]).toEqual([[], []]);
  expect(await requestsOf(two!)).toEqual([pushed['data']]);
  expect(await requestsOf(one!)).toMatchObject([{ username: two!.username, is_incoming: false }]);
  await two!.close();
  const again = await connect(t, { username: two!.username, token: await tokenOf(two!) }, V2);
  await one!.expectNoFrame(); // no user_status of a stranger
  const accepted = await ask(again, 'accept_contact', one!);
  expect(accepted).toMatchObject({ success: true, data: { contact: { username: one!.username, is_online: true } } });
  expect(await one!.next()).toMatchObject({
    type: 'contact_accepted',
    data: { contact: { username: two!.username, is_online: true } },
  });
  expect([await contactsOf(one!), await contactsOf(again)]).toEqual([[two!.username], [one!.username]]);
  expect([await requestsOf(one!), await requestsOf(again)]).toEqual([[], []]);
  await again.close();
  expect(await one!.next()).toMatchObject({ type: 'user_status', data: { is_online: false } });
});

it('add_contact of machi.v2 refuses the caller, unknown users, contacts, and a second request', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  expect(await ask(one!, 'add_contact', one!)).toEqual(
    failure('add_contact', 'You cannot add yourself as a contact.', 'contact_is_self'),
  );
  const unknown = await one!.ask('add_contact', { contact_username: 'unknown-user' });
  expect(unknown).toEqual(failure('add_contact', 'This user does not exist.', 'user_not_found'));
  await ask(one!, 'add_contact', two!);
  const second = await ask(one!, 'add_contact', two!);
  expect(second).toEqual(
    failure('add_contact', 'You have already sent this user a contact request.', 'contact_already_requested'),
  );
  await two!.next();
  await two!.expectNoFrame();
  await ask(two!, 'accept_contact', one!);
  await one!.next();
  for (const [client, other] of [
    [one!, two!],
    [two!, one!],
  ] as const) {
    const answer = await ask(client, 'add_contact', other);
    expect(answer).toEqual(failure('add_contact', 'This user is already a contact.', 'already_a_contact'));
  }
});

it('add_contact toward a user who has sent a request makes the two contacts', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  await ask(one!, 'add_contact', two!);
  await two!.next();
  expect(await ask(two!, 'add_contact', one!)).toMatchObject({ data: { contact: { username: one!.username } } });
  expect(await one!.next()).toMatchObject({ type: 'contact_accepted' });
  expect([await contactsOf(one!), await requestsOf(one!)]).toEqual([[two!.username], []]);
});

it('old clients are not sent contact requests, and their add_contact still adds at once', async () => {
  const [old] = await connectUsers(t, 1);
  const [modern] = await connectUsers(t, 1, V2);
  await ask(modern!, 'add_contact', old!);
  await old!.expectNoFrame();
  expect(await contactsOf(old!)).toEqual([]);
  const added = await ask(old!, 'add_contact', modern!);
  expect(added).toMatchObject({ success: true, data: { message: 'contact added', contact: { is_online: true } } });
  expect(await requestsOf(modern!)).toEqual([]);
  expect(await contactsOf(modern!)).toEqual([old!.username]);
});

it.each([
  ['the sender withdraws', 0],
  ['the recipient declines', 1],
])('remove_contact: %s a request, which then cannot be accepted', async (_, remover) => {
  const clients = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
  const [one, two] = clients;
  await ask(one, 'add_contact', two);
  await two.next();
  const [actor, other] = remover === 0 ? [one, two] : [two, one];
  expect(await ask(actor, 'remove_contact', other)).toMatchObject({ data: { contact_username: other.username } });
  await other.expectNoFrame();
  expect([await requestsOf(one), await requestsOf(two)]).toEqual([[], []]);
  const late = await ask(two, 'accept_contact', one);
  expect(late).toEqual(
    failure('accept_contact', 'There is no contact request from this user.', 'contact_request_not_found'),
  );
  expect(await contactsOf(two)).toEqual([]);
});

it('accept_contact cannot accept a request of one’s own', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  await ask(one!, 'add_contact', two!);
  expect(await ask(one!, 'accept_contact', two!)).toMatchObject({ success: false });
  expect(await contactsOf(one!)).toEqual([]);
});

it('DELETE /api/chat/contacts/{username} removes the contact for both, who get no user_status any more', async () => {
  const [one, two] = await connectUsers(t, 2);
  await ask(one!, 'add_contact', two!);
  expect(await removeOverHttp(two!, one!.username.toUpperCase())).toBe(204);
  expect([await contactsOf(one!), await contactsOf(two!)]).toEqual([[], []]);
  await two!.close();
  await expect
    .poll(async () => (await t.dataSource.query<unknown[]>('select 1 from presences')).length)
    .toBeLessThan(100);
  await one!.expectNoFrame();
  expect(await removeOverHttp(one!, two!.username)).toBe(404);
  for (const name of ['unknown-user', 'a', '%00', 'x'.repeat(200), '日本']) {
    expect([400, 404]).toContain(await removeOverHttp(one!, encodeURIComponent(name).replace('%2500', '%00')));
  }
});

it('get_contact_requests returns at most 100, and older ones with before', async () => {
  const [one] = await connectUsers(t, 1, V2);
  await t.dataSource.query(
    `with added as (
      insert into users (id, username, fullname, created_at, updated_at)
      select gen_random_uuid(), 'asker' || i, 'Asker', now(), now() from generate_series(1, 150) i
    ) select 1`,
  );
  await t.dataSource.query(
    `insert into contact_requests (first_id, second_id, sender_id, created_at)
     select least(p.id, me.id), greatest(p.id, me.id), p.id, now()
     from participants p join users u on u.id = p.user_id, participants me join users x on x.id = me.user_id
     where u.username like 'asker%' and x.username = $1`,
    [one!.username],
  );
  const first = await requestsOf(one!);
  const second = (await one!.get('get_contact_requests', { before: first.at(-1)!['id'] })) as unknown as Frame[];
  expect([first.length, second.length]).toEqual([100, 50]);
  expect(new Set([...first, ...second].map(({ username }) => username as string)).size).toBe(150);
});

describe('a request at the moment at which the two become contacts', () => {
  const idOf = async ({ username }: ChatClient): Promise<string> => {
    const select = 'select p.id from participants p join users u on u.id = p.user_id where u.username = $1';
    return (await t.dataSource.query<[{ id: string }]>(select, [username]))[0].id;
  };
  /** Runs `work` while a transaction with these statements is open, which is committed afterwards. */
  const during = (statements: [string, unknown[]][], work: () => Promise<unknown>) =>
    t.dataSource.transaction(async (manager) => {
      for (const [sql, values] of statements) await manager.query(sql, values);
      const answer = work();
      await sleep(300); // it waits for the transaction
      return { answer };
    });

  it('is refused when an earlier one has just been accepted', async () => {
    const [one, two] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    await ask(one, 'add_contact', two);
    const ids = [await idOf(one), await idOf(two)];
    const accepted: [string, unknown[]][] = [
      ['delete from contact_requests where sender_id = $1', [ids[0]]],
      ['insert into contacts (participant_id, contact_id, created_at) values ($1, $2, now()), ($2, $1, now())', ids],
    ];
    const { answer } = await during(accepted, () => ask(one, 'add_contact', two));
    expect(await answer).toMatchObject({ success: false, code: 'already_a_contact' });
    expect([await requestsOf(one), await contactsOf(one)]).toEqual([[], [two.username]]);
  });

  it('is removed when an old client adds the contact', async () => {
    const [[one], [two]] = [await connectUsers(t, 1, V2), await connectUsers(t, 1)];
    const ids = [await idOf(one!), await idOf(two!)];
    const insert = `insert into contact_requests (first_id, second_id, sender_id, created_at)
      values (least($1::bigint, $2::bigint), greatest($1::bigint, $2::bigint), $1, now())`;
    const { answer } = await during([[insert, ids]], () => ask(two!, 'add_contact', one!));
    expect(await answer).toMatchObject({ success: true });
    expect([await requestsOf(one!), await contactsOf(one!)]).toEqual([[], [two!.username]]);
  });
});
