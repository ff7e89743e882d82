import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import type { ChatEvent } from '../events/event.js';
import type { Connection } from '../sockets/connection.js';
import { Connections } from '../sockets/connections.js';
import { GetMessagesFrame, MessagesDto, SendMessageFrame, SentMessageDto } from './messages.dto.js';
import { MessagesService } from './messages.service.js';
import { Outbox } from './outbox.js';

@Injectable()
export class SendMessage implements ChatEvent<SendMessageFrame> {
  static readonly summary = 'Says something in a conversation. The answer means that it is kept.';
  static readonly request = SendMessageFrame;
  static readonly data = SentMessageDto;
  static readonly sentTo = 'every connected member';
  static readonly isPipelined = true;

  constructor(
    private readonly outbox: Outbox,
    private readonly connections: Connections,
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
