import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { readCursor, toPage } from '../../http/pagination.dto.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationIdParam } from '../protocol/path-parameters.js';
import { MessageSearchService } from './message-search.service.js';
import { FoundMessagesPageDto, SearchMessagesQueryDto } from './search.dto.js';

/** Search over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/conversations/:conversation/search')
export class SearchController {
  constructor(
    private readonly messages: MessageSearchService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Returns the messages of a conversation that contain all words, newest first. */
  @Get()
  @ApiOperation({ operationId: 'searchMessages' })
  @ApiParam({ name: 'conversation', schema: { type: 'integer', minimum: 1 }, example: 12 })
  @SignedIn()
  @ApiProblems('conversation_not_found', 'invalid_cursor', 'invalid_value', 'busy')
  async search(
    @CurrentUser() { id }: Caller,
    @ConversationIdParam() conversation: number,
    @Query() { q, limit, cursor }: SearchMessagesQueryDto,
  ): Promise<FoundMessagesPageDto> {
    const key = readCursor(cursor, (text) => /^[1-9]\d{0,14}$/.test(text));
    const caller = { user_id: id, participant_id: await this.participants.getId(id) };
    const before = key === undefined ? undefined : Number(key);
    const rows = await this.messages.search(caller, conversation, q, { before, limit: limit + 1 });
    return toPage(
      rows,
      limit,
      (row) => String(row.id),
      (row) => row,
    );
  }
}
