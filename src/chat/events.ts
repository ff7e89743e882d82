import { CreateConversation, GetConversationInfo, GetConversations } from './conversations/conversations.events.js';
import { GetMessages, SendMessage } from './messages/messages.events.js';
import { AddContact, GetContacts, Self } from './contacts/contacts.events.js';
import type { EventClass } from './protocol/event.js';
import { Ping } from './connections/ping.event.js';

/** Every frame that a client may send: type → class. The check, the dispatch and `asyncapi.json` come from here. */
export const EVENTS = {
  ping: Ping,
  self: Self,
  add_contact: AddContact,
  get_contacts: GetContacts,
  create_conversation: CreateConversation,
  get_conversations: GetConversations,
  get_conversation_info: GetConversationInfo,
  send_message: SendMessage,
  get_messages: GetMessages,
} as const satisfies Record<string, EventClass>;
