import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { BroadcasterService } from '../connections/broadcaster.service.js';
import type { Connection } from '../connections/connection.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { successText } from '../protocol/responses.js';
import {
  ConversationDto,
  ConversationFrame,
  ConversationInfoDto,
  CreateConversationFrame,
} from './conversations.dto.js';
import { ConversationsService } from './conversations.service.js';

/** Events about conversations and their members. */
@WebSocketGateway({ path: CHAT_PATH })
export class ConversationsGateway {
  constructor(
    private readonly conversations: ConversationsService,
    private readonly broadcaster: BroadcasterService,
  ) {}

  @SubscribeMessage('create_conversation')
  @ChatEvent({
    summary: 'Creates a conversation. Its members need not be contacts of the caller.',
    request: CreateConversationFrame,
    response: ConversationInfoDto,
    sentTo: 'every connected member',
  })
  async create(requester: Connection, request: CreateConversationFrame): Promise<void> {
    const { members, name, request_id: requestId } = request;
    const { conversation, memberIds } = await this.conversations.create(requester.session, members, name ?? undefined);
    const text = successText('create_conversation', conversation);
    this.broadcaster.broadcast(memberIds, [{ text, requester, requestId }]);
  }

  @SubscribeMessage('get_conversations')
  @ChatEvent({
    summary: 'Returns the caller’s conversations, oldest first.',
    response: ConversationDto,
    isList: true,
    sentTo: 'the requester',
  })
  list({ session }: Connection): Promise<ConversationDto[]> {
    return this.conversations.list(session);
  }

  @SubscribeMessage('get_conversation_info')
  @ChatEvent({
    summary: 'Returns the name and the members of a conversation.',
    request: ConversationFrame,
    response: ConversationInfoDto,
    sentTo: 'the requester',
  })
  get({ session }: Connection, { id }: ConversationFrame): Promise<ConversationInfoDto> {
    return this.conversations.get(session, id);
  }
}
