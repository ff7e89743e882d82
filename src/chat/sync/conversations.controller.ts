import { Body, Controller, Get, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationIdParam } from '../protocol/path-parameters.js';
import { ReadPositionsService } from './read-positions.service.js';
import { ConversationsPageDto, MarkReadDto, ReadPositionDto } from './sync.dto.js';
import { SyncService } from './sync.service.js';

/** Conversations over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/conversations')
export class ConversationsController {
  constructor(
    private readonly conversations: SyncService,
    private readonly positions: ReadPositionsService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Returns the caller’s conversations with their last messages and unread counts, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listConversations' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  async list(@CurrentUser() { id }: Caller, @Query() { limit, cursor }: PageQueryDto): Promise<ConversationsPageDto> {
    const before = readCursor(cursor, (key) => /^[1-9]\d{0,14}$/.test(key));
    const participantId = await this.participants.getId(id);
    const last = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
    const rows = await this.conversations.list(participantId, last, limit + 1);
    return toPage(
      rows,
      limit,
      (row) => String(row.id),
      (row) => row,
    );
  }

  /** Marks the messages up to this one as read. The position never moves backwards. */
  @Put(':conversation/read')
  @ApiOperation({ operationId: 'markConversationRead' })
  @ApiParam({ name: 'conversation', schema: { type: 'integer', minimum: 1 }, example: 12 })
  @SignedIn()
  @ApiProblems('conversation_not_found', 'message_not_found')
  async markRead(
    @CurrentUser() { id }: Caller,
    @ConversationIdParam() conversation: number,
    @Body() { message_id }: MarkReadDto,
  ): Promise<ReadPositionDto> {
    return this.positions.markRead(await this.participants.getId(id), conversation, message_id);
  }
}
