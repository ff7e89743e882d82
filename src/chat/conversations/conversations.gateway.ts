import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { normaliseLine } from '../../common/text.js';
import { CONVERSATIONS_QUOTA } from '../../rate-limit/quotas.js';
import { BroadcasterService } from '../connections/broadcaster.service.js';
import { ChatQuotasService } from '../connections/chat-quotas.service.js';
import type { Connection } from '../connections/connection.js';
import { RemoteConversationsService } from '../delivery/remote-conversations.service.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { successText } from '../protocol/responses.js';
import {
  ConversationDto,
  ConversationFrame,
  ConversationInfoDto,
  CreateConversationFrame,
  GetConversationsFrame,
} from './conversations.dto.js';
import { ConversationsService } from './conversations.service.js';

/** The revision of a conversation with its first members, before any message. */
const FIRST_REVISION = 1;

/** Events about conversations and their members. */
@WebSocketGateway({ path: CHAT_PATH })
export class ConversationsGateway {
  constructor(
    private readonly conversations: ConversationsService,
    private readonly broadcaster: BroadcasterService,
    private readonly remote: RemoteConversationsService,
    private readonly quotas: ChatQuotasService,
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
    await this.quotas.consume(CONVERSATIONS_QUOTA, requester.session.user_id);
    const line = name == null ? undefined : normaliseLine(name);
    const { conversation, memberIds } = await this.conversations.create(requester.session, members, line);
    const text = successText('create_conversation', conversation);
    this.broadcaster.broadcast(memberIds, [{ text, requester, requestId }]);
    this.remote.announceMembers(conversation.id, FIRST_REVISION, memberIds, text);
  }

  @SubscribeMessage('get_conversations')
  @ChatEvent({
    summary: 'Returns the newest 1,000 of the caller’s conversations, oldest first.',
    request: GetConversationsFrame,
    response: ConversationDto,
    isList: true,
    isLarge: true,
    sentTo: 'the requester',
  })
  async list({ session }: Connection, { before }: GetConversationsFrame): Promise<ConversationDto[]> {
    return (await this.conversations.list(session.participant_id, before)).toReversed();
  }

  @SubscribeMessage('get_conversation_info')
  @ChatEvent({
    summary: 'Returns the name and the members of a conversation.',
    request: ConversationFrame,
    response: ConversationInfoDto,
    isLarge: true,
    sentTo: 'the requester',
  })
  get({ session }: Connection, { id }: ConversationFrame): Promise<ConversationInfoDto> {
    return this.conversations.get(session, id);
  }
}
