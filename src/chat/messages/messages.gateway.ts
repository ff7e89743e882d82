import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MessageQueueService } from './message-queue.service.js';
import { GetMessagesFrame, MessagesDto, SendMessageFrame, SendTextFrame, SentMessageDto } from './messages.dto.js';
import { MessagesService } from './messages.service.js';

/** A message with attachments is stored alone, which takes as long as storing many plain ones. It counts as this number of messages. */
const ATTACHMENTS_WEIGHT = 10;

/** Events about messages. */
@WebSocketGateway({ path: CHAT_PATH })
export class MessagesGateway {
  constructor(
    private readonly queue: MessageQueueService,
    private readonly messages: MessagesService,
    private readonly connections: ConnectionsService,
  ) {}

  /** Resolves once the request is answered. Throws `rate_limited` and `busy` synchronously. */
  @SubscribeMessage('send_message')
  @ChatEvent({
    summary: 'Sends a message to a conversation. A success means that the message is stored.',
    request: SendMessageFrame,
    oldRequest: SendTextFrame,
    response: SentMessageDto,
    sentTo: 'every connected member',
    mode: 'pipelined',
  })
  send(requester: Connection, request: SendMessageFrame): Promise<void> {
    const weight = request.attachments?.length ? ATTACHMENTS_WEIGHT : 1;
    this.connections.checkSend(requester.session.participant_id, weight);
    return this.queue.add(requester, request);
  }

  @SubscribeMessage('get_messages')
  @ChatEvent({
    summary: 'Returns messages of a conversation, newest first, at most 100.',
    request: GetMessagesFrame,
    response: MessagesDto,
    sentTo: 'the requester',
  })
  list({ session, isV2 }: Connection, { conversation_id, before }: GetMessagesFrame): Promise<MessagesDto> {
    return this.messages.list(session, conversation_id, before ?? undefined, isV2);
  }
}
