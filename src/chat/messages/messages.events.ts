import { Injectable } from '@nestjs/common';
import { Problem } from '../../http/problem.js';
import type { ChatEvent } from '../protocol/event.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { GetMessagesFrame, MessagesDto, SendMessageFrame, SentMessageDto } from './messages.dto.js';
import { MessagesService } from './messages.service.js';
import { MessageBatchWriterService } from './message-batch-writer.service.js';

@Injectable()
export class SendMessage implements ChatEvent<SendMessageFrame> {
  static readonly summary = 'Says something in a conversation. The answer means that it is kept.';
  static readonly request = SendMessageFrame;
  static readonly data = SentMessageDto;
  static readonly sentTo = 'every connected member';
  static readonly isPipelined = true;

  constructor(
    private readonly outbox: MessageBatchWriterService,
    private readonly connections: ConnectionsService,
  ) {}

  handle(from: Connection, request: SendMessageFrame): Promise<undefined> {
    if (!this.connections.maySend(from))
      throw new Problem('rate_limited', { detail: 'Too many messages; wait a moment.' });
    return this.outbox.append(from, request);
  }
}

@Injectable()
export class GetMessages implements ChatEvent<GetMessagesFrame> {
  static readonly summary = 'What was said in a conversation, newest first, at most 100 at once.';
  static readonly request = GetMessagesFrame;
  static readonly data = MessagesDto;
  static readonly sentTo = 'the requester';

  constructor(private readonly messages: MessagesService) {}

  handle({ session }: Connection, { conversation_id, before }: GetMessagesFrame): Promise<MessagesDto> {
    return this.messages.list(session!, conversation_id, before ?? undefined);
  }
}
