import { type ChatClient, connect, type Frame, V2 } from '../clients/chat-client.js';
import { attach } from '../clients/attachments.js';
import { startPushService } from '../servers/push-service.js';
import type { Walker } from './walker.js';

/** All events of the chat, from a member of a conversation with 500 members and 2,005 messages. */
export async function walkChatEvents(w: Walker): Promise<void> {
  const { t, person, recorder } = w;
  const friends = [await t.user(), await t.user(), await t.user()];
  const [friend, stranger, third] = friends.map(({ username }) => username) as [string, string, string];
  recorder.startEvent('(connect)');
  const client = await connect(t, person, V2);
  const friendClient = await connect(t, friends[0]!, V2);
  await w.settle();
  const ask = async (type: string, fields: Frame = {}, from: ChatClient = client): Promise<Frame> => {
    recorder.startEvent(type);
    const frame = await from.askPastPushes(type, fields);
    if (frame['success'] !== true) throw new Error(`${type}: ${JSON.stringify(frame)}`);
    await w.settle();
    return frame['data'] as Frame;
  };

  for (const type of [
    'ping',
    'self',
    'get_contacts',
    'get_contact_requests',
    'get_conversations',
    'sync',
    'watch_uploads',
  ])
    await ask(type);
  await ask('auth', { identity_token: person.token });
  await ask('get_contacts', { after: 'person10' });
  await ask('get_contact_requests', { before: 1_000_000 });
  await ask('get_conversations', { before: 60 });
  await ask('sync', { before: 60 });
  await ask('add_contact', { contact_username: friend });
  await ask('accept_contact', { contact_username: person.username }, friendClient);
  await ask('remove_contact', { contact_username: friend });
  await ask('block', { username: stranger });
  await ask('unblock', { username: stranger });

  const conversation_id = 1;
  await ask('get_conversation_info', { id: conversation_id });
  await ask('get_members', { conversation_id });
  await ask('get_members', { conversation_id, after: 'person200' });
  const page = await ask('get_messages', { conversation_id });
  const [newest] = page['messages'] as { id: number }[];
  await ask('get_messages', { conversation_id, before: newest!.id - 500 });
  await ask('resume', { cursors: [{ conversation_id, message_id: newest!.id - 100, revision: 1500 }] });
  await ask('mark_read', { conversation_id, message_id: newest!.id });
  await ask('search_messages', { conversation_id, query: 'ferry' });
  await ask('search_messages', { conversation_id, query: 'harbour', before: newest!.id - 100 });
  const sent = await ask('send_message', { conversation_id, content: 'The last ferry.', nonce: 'walk-1' });
  await ask('send_message', { conversation_id, content: 'Which one?', reply_id: sent['id'], nonce: 'walk-2' });
  const { id: picture } = await attach(t, person);
  await ask('send_message', { conversation_id, content: '', attachments: [picture], nonce: 'walk-3' });
  const message = { conversation_id, message_id: sent['id'] as number };
  await ask('edit_message', { ...message, content: 'The very last ferry.' });
  await ask('react', { ...message, emoji: '🎉' });
  await ask('react', message);
  await ask('delete_message', message);
  recorder.startEvent('typing');
  client.send({ type: 'typing', conversation_id });
  await ask('ack');

  const own = await ask('create_conversation', { members: [person.username, friend], name: 'Walk' });
  const id = { conversation_id: own['id'] as number };
  await ask('rename', { ...id, name: 'A long walk' });
  await ask('add_members', { ...id, members: [stranger, third] });
  await ask('set_role', { ...id, username: friend, role: 'admin' });
  await ask('remove_member', { ...id, username: stranger });
  await ask('leave', id, friendClient);
  for (const each of [friendClient, client]) await each.close();
}

/** The routes of the chat. */
export async function walkChatRoutes(w: Walker): Promise<void> {
  const { t, person } = w;
  const path = '/api/chat/conversations';
  for (const list of [path, `${path}/1/messages`, `${path}/1/search?q=ferry`, '/api/chat/blocks']) await w.list(list);
  const moderator = await t.user('moderate_chat');
  const messages = (await w.get(`${path}/1/messages?limit=2`))['items'] as { id: number }[];
  const [newest, next] = messages.map(({ id }) => id);
  await w.send('PUT', `${path}/1/read`, { token: person.token, body: { message_id: newest } });
  await w.send('DELETE', `${path}/1/messages/${next}`, { token: person.token });
  await w.get(`${path}/1/messages/${next}/versions`, moderator.token);
  await w.sendRaw('GET', `${path}/2/export`, person.token);
  await w.send('DELETE', `${path}/3`, { token: person.token });
  await w.send('DELETE', '/api/chat/contacts/person2', { token: person.token });
  const { username } = await t.user();
  for (const method of ['PUT', 'DELETE']) await w.send(method, `/api/chat/blocks/${username}`, { token: person.token });
}

/** Pictures of messages, and subscriptions of browsers. */
export async function walkAttachments(w: Walker): Promise<void> {
  const { t, person } = w;
  const { token } = person;
  const { id } = await attach(t, person, 2);
  const path = `/api/chat/attachments/${id}`;
  await w.get(path);
  await w.sendRaw('GET', `${path}/image`, token);
  await w.send('DELETE', path, { token });
  const service = await startPushService();
  const { endpoint, keys } = service.subscribe();
  await w.get('/api/push/key', '');
  const subscription = await w.send('POST', '/api/push/subscriptions', { token, body: { endpoint, keys } });
  await w.get('/api/push/subscriptions');
  await w.send('DELETE', `/api/push/subscriptions/${subscription['id']}`, { token });
  await service.stop();
}
