import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { ReadPositionsService } from './read-positions.service.js';
import { ResumeService } from './resume.service.js';
import {
  AckDto,
  MarkReadFrame,
  ReadPositionDto,
  ResumedDto,
  ResumeFrame,
  SyncDto,
  SyncFrame,
  TypingDto,
  TypingFrame,
} from './sync.dto.js';
import { SyncService } from './sync.service.js';

const PAGE_SIZE = 100;
const FOR_REQUESTER = { protocol: MACHI_V2, sentTo: 'the requester' } as const;

/** Events that bring a client up to date. */
@WebSocketGateway({ path: CHAT_PATH })
export class SyncGateway {
  constructor(
    private readonly conversations: SyncService,
    private readonly resumption: ResumeService,
    private readonly positions: ReadPositionsService,
  ) {}

  @SubscribeMessage('sync')
  @ChatEvent({
    summary: 'Returns conversations with their last messages and unread counts, newest first, at most 100.',
    request: SyncFrame,
    response: SyncDto,
    isLarge: true,
    ...FOR_REQUESTER,
  })
  async sync({ session }: Connection, { before }: SyncFrame): Promise<SyncDto> {
    const rows = await this.conversations.list(
      session.participant_id,
      before ?? Number.MAX_SAFE_INTEGER,
      PAGE_SIZE + 1,
    );
    const conversations = rows.slice(0, PAGE_SIZE);
    return { conversations, next: rows.length > PAGE_SIZE ? conversations.at(-1)!.id : null };
  }

  @SubscribeMessage('resume')
  @ChatEvent({
    summary: 'Returns the messages and events after the cursors of the client, in order.',
    request: ResumeFrame,
    response: ResumedDto,
    isLarge: true,
    ...FOR_REQUESTER,
  })
  async resume({ session }: Connection, { cursors }: ResumeFrame): Promise<ResumedDto> {
    return { conversations: await this.resumption.resume(session.participant_id, cursors) };
  }

  @SubscribeMessage('mark_read')
  @ChatEvent({
    summary: 'Marks the messages up to this one as read.',
    request: MarkReadFrame,
    response: ReadPositionDto,
    ...FOR_REQUESTER,
  })
  markRead({ session }: Connection, { conversation_id, message_id }: MarkReadFrame): Promise<ReadPositionDto> {
    return this.positions.markRead(session.participant_id, conversation_id, message_id);
  }

  @SubscribeMessage('typing')
  @ChatEvent({
    summary: 'Tells the other members that the caller is writing.',
    request: TypingFrame,
    response: TypingDto,
    ...FOR_REQUESTER,
  })
  async typing({ session }: Connection, { conversation_id }: TypingFrame): Promise<TypingDto> {
    await this.positions.noteTyping(session.participant_id, conversation_id);
    return { conversation_id };
  }

  @SubscribeMessage('ack')
  @ChatEvent({
    summary: 'Returns how many frames of this connection are answered, so that the client need not keep them.',
    response: AckDto,
    mode: 'immediate',
    ...FOR_REQUESTER,
  })
  ack({ received }: Connection): AckDto {
    return { frames: received.taken };
  }
}
