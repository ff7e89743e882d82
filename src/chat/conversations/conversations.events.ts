import { Injectable } from '@nestjs/common';
import type { ChatEvent } from '../protocol/event.js';
import { RequestFrame } from '../protocol/request.dto.js';
import type { Connection } from '../connections/connection.js';
import { BroadcasterService } from '../connections/broadcaster.service.js';
import {
  ConversationDto,
  ConversationFrame,
  ConversationInfoDto,
  CreateConversationFrame,
} from './conversations.dto.js';
import { ConversationsService } from './conversations.service.js';

@Injectable()
export class CreateConversation implements ChatEvent<CreateConversationFrame> {
  static readonly summary = 'Begins a conversation; its members need not be contacts.';
  static readonly request = CreateConversationFrame;
  static readonly data = ConversationInfoDto;
  static readonly sentTo = 'every connected member';

  constructor(
    private readonly conversations: ConversationsService,
    private readonly delivery: BroadcasterService,
  ) {}

  async handle(from: Connection, { members, name, request_id }: CreateConversationFrame): Promise<undefined> {
    const [data, ids] = await this.conversations.create(from.session!, members, name ?? undefined);
    const text = JSON.stringify({ success: true, type: 'create_conversation', data });
    this.delivery.toMembers(ids, [{ text, from, request_id }]);
  }
}

@Injectable()
export class GetConversations implements ChatEvent {
  static readonly summary = 'The caller’s conversations, oldest first.';
  static readonly request = RequestFrame;
  static readonly data = ConversationDto;
  static readonly isList = true;
  static readonly sentTo = 'the requester';

  constructor(private readonly conversations: ConversationsService) {}

  handle({ session }: Connection): Promise<ConversationDto[]> {
    return this.conversations.list(session!);
  }
}

@Injectable()
export class GetConversationInfo implements ChatEvent<ConversationFrame> {
  static readonly summary = 'The name and the members of a conversation.';
  static readonly request = ConversationFrame;
  static readonly data = ConversationInfoDto;
  static readonly sentTo = 'the requester';

  constructor(private readonly conversations: ConversationsService) {}

  handle({ session }: Connection, { id }: ConversationFrame): Promise<ConversationInfoDto> {
    return this.conversations.get(session!, id);
  }
}
