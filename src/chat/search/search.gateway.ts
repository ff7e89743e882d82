import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { MessageSearchService } from './message-search.service.js';
import { FoundMessagesDto, SearchMessagesFrame } from './search.dto.js';

const PAGE_SIZE = 50;

/** Events about searching. */
@WebSocketGateway({ path: CHAT_PATH })
export class SearchGateway {
  constructor(private readonly messages: MessageSearchService) {}

  @SubscribeMessage('search_messages')
  @ChatEvent({
    summary: 'Returns the messages of a conversation that contain all words, newest first, at most 50.',
    request: SearchMessagesFrame,
    response: FoundMessagesDto,
    isLarge: true,
    hasOwnQueue: true,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  async search(
    { session, networks }: Connection,
    { conversation_id, query, before }: SearchMessagesFrame,
  ): Promise<FoundMessagesDto> {
    const page = { before: before ?? undefined, limit: PAGE_SIZE + 1 };
    const found = await this.messages.search({ ...session, networks }, conversation_id, query, page);
    const messages = found.slice(0, PAGE_SIZE);
    return { conversation_id, messages, next: found.length > PAGE_SIZE ? messages.at(-1)!.id : null };
  }
}
