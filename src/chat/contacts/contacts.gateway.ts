import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { AddContactFrame, ChatUserDto, ContactAddedDto, ContactsDto } from './contacts.dto.js';
import { ContactsService } from './contacts.service.js';

/** Events about the caller and their contacts. */
@WebSocketGateway({ path: CHAT_PATH })
export class ContactsGateway {
  constructor(private readonly contacts: ContactsService) {}

  @SubscribeMessage('self')
  @ChatEvent({ summary: 'Returns the caller.', response: ChatUserDto, sentTo: 'the requester' })
  self({ session }: Connection): Promise<ChatUserDto> {
    return this.contacts.getSelf(session);
  }

  @SubscribeMessage('add_contact')
  @ChatEvent({
    summary: 'Makes the caller and another user contacts of each other.',
    request: AddContactFrame,
    response: ContactAddedDto,
    sentTo: 'the requester',
  })
  async add({ session }: Connection, { contact_username }: AddContactFrame): Promise<ContactAddedDto> {
    return { message: 'contact added', contact: await this.contacts.add(session, contact_username) };
  }

  @SubscribeMessage('get_contacts')
  @ChatEvent({
    summary: 'Returns the usernames of the caller’s contacts.',
    response: ContactsDto,
    sentTo: 'the requester',
  })
  async list({ session }: Connection): Promise<ContactsDto> {
    return { message: 'contacts retrieved', contacts: await this.contacts.list(session) };
  }
}
