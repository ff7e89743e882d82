import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { ChangedDto } from '../events/conversation-events.dto.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { EditMessageFrame, MessageFrame, ReactFrame } from './message-changes.dto.js';
import { MessageChangesService } from './message-changes.service.js';

const CHANGE = { response: ChangedDto, protocol: MACHI_V2, sentTo: 'the requester' } as const;

/** Events that change messages. They count against the same limit as messages, and are told as `conversation_event`. */
@WebSocketGateway({ path: CHAT_PATH })
export class MessageChangesGateway {
  constructor(
    private readonly changes: MessageChangesService,
    private readonly connections: ConnectionsService,
  ) {}

  @SubscribeMessage('edit_message')
  @ChatEvent({ summary: 'Replaces the content of an own message.', request: EditMessageFrame, ...CHANGE })
  edit({ session }: Connection, { conversation_id, message_id, content }: EditMessageFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.changes.edit(session.participant_id, conversation_id, message_id, content);
  }

  @SubscribeMessage('delete_message')
  @ChatEvent({
    summary: 'Deletes an own message, or any with the permission `moderate_chat`.',
    request: MessageFrame,
    ...CHANGE,
  })
  remove({ session, sessionId, ip }: Connection, { conversation_id, message_id }: MessageFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.changes.remove({ ...session, session_id: sessionId!, ip }, conversation_id, message_id);
  }

  @SubscribeMessage('react')
  @ChatEvent({ summary: 'Reacts to a message with an emoji, one per member.', request: ReactFrame, ...CHANGE })
  react({ session }: Connection, { conversation_id, message_id, emoji }: ReactFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.changes.react(session.participant_id, conversation_id, message_id, emoji ?? null);
  }
}
