import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CONTACTS_QUOTA } from '../../rate-limit/quotas.js';
import { ChatQuotasService } from '../connections/chat-quotas.service.js';
import type { Connection } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { PushesService } from '../delivery/pushes.service.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { successText } from '../protocol/responses.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { ChatUsersService } from './chat-users.service.js';
import { ContactRequestsService } from './contact-requests.service.js';
import {
  ChatUserDto,
  ContactAddedDto,
  ContactDto,
  ContactFrame,
  ContactRemovedDto,
  ContactRequestDto,
  ContactsDto,
  GetContactRequestsFrame,
  GetContactsFrame,
} from './contacts.dto.js';
import { ContactsService } from './contacts.service.js';

/** Events about the caller and their contacts. */
@WebSocketGateway({ path: CHAT_PATH })
export class ContactsGateway {
  constructor(
    private readonly contacts: ContactsService,
    private readonly requests: ContactRequestsService,
    private readonly users: ChatUsersService,
    private readonly participants: ParticipantsService,
    private readonly pushes: PushesService,
    private readonly quotas: ChatQuotasService,
  ) {}

  @SubscribeMessage('self')
  @ChatEvent({ summary: 'Returns the caller.', response: ChatUserDto, sentTo: 'the requester' })
  async self({ session }: Connection): Promise<ChatUserDto> {
    return this.users.toDto(await this.users.get(session.participant_id));
  }

  @SubscribeMessage('add_contact')
  @ChatEvent({
    summary: 'Makes the caller and another user contacts of each other; in `machi.v2`, once the other user accepts.',
    request: ContactFrame,
    response: ContactAddedDto,
    sentTo: 'the requester',
  })
  async add({ session, isV2 }: Connection, { contact_username }: ContactFrame): Promise<ContactAddedDto> {
    const { participant_id, user_id } = session;
    await this.quotas.consume(CONTACTS_QUOTA, user_id);
    if (isV2) return this.request(participant_id, contact_username);
    const contact = await this.contacts.add(participant_id, contact_username);
    return { message: 'contact added', contact: this.users.toDto(contact) };
  }

  @SubscribeMessage('accept_contact')
  @ChatEvent({
    summary: 'Accepts the contact request of another user.',
    request: ContactFrame,
    response: ContactDto,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  async accept({ session }: Connection, { contact_username }: ContactFrame): Promise<ContactDto> {
    const sender = await this.contacts.accept(session.participant_id, contact_username);
    await this.notifyAccepted(sender.id, session.participant_id);
    return { contact: this.users.toDto(sender) };
  }

  @SubscribeMessage('remove_contact')
  @ChatEvent({
    summary: 'Removes a contact. Also withdraws or declines a contact request.',
    request: ContactFrame,
    response: ContactRemovedDto,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  async remove({ session }: Connection, { contact_username }: ContactFrame): Promise<ContactRemovedDto> {
    const { id, username } = await this.participants.getNamed(contact_username);
    await this.contacts.remove(session.participant_id, id);
    return { contact_username: username };
  }

  @SubscribeMessage('get_contacts')
  @ChatEvent({
    summary: 'Returns usernames of the caller’s contacts: the newest 1,000; in `machi.v2`, 1,000 after a username.',
    request: GetContactsFrame,
    response: ContactsDto,
    isLarge: true,
    sentTo: 'the requester',
  })
  async list({ session, isV2 }: Connection, { after }: GetContactsFrame): Promise<ContactsDto> {
    const { participant_id } = session;
    const contacts = isV2
      ? await this.contacts.list(participant_id, after ?? '')
      : await this.contacts.listNewest(participant_id);
    return { message: 'contacts retrieved', contacts };
  }

  @SubscribeMessage('get_contact_requests')
  @ChatEvent({
    summary: 'Returns contact requests that the caller has sent or received, newest first, at most 100.',
    request: GetContactRequestsFrame,
    response: ContactRequestDto,
    isList: true,
    isLarge: true,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  listRequests({ session }: Connection, { before }: GetContactRequestsFrame): Promise<ContactRequestDto[]> {
    return this.requests.list(session.participant_id, before ?? undefined);
  }

  private async request(callerId: number, username: string): Promise<ContactAddedDto> {
    const result = await this.contacts.request(callerId, username);
    if ('request' in result) {
      this.pushes.push([result.recipientId], successText('contact_request', result.request), { isV2Only: true });
      return { message: 'contact requested', contact: null };
    }
    await this.notifyAccepted(result.contact.id, callerId);
    return { message: 'contact added', contact: this.users.toDto(result.contact) };
  }

  private async notifyAccepted(senderId: number, callerId: number): Promise<void> {
    const data: ContactDto = { contact: this.users.toDto(await this.users.get(callerId)) };
    this.pushes.push([senderId], successText('contact_accepted', data), { isV2Only: true });
  }
}
