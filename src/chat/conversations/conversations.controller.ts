import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationIdParam } from '../protocol/path-parameters.js';
import { ConversationsPageDto } from './conversations.dto.js';
import { ConversationsService } from './conversations.service.js';

/** Conversations over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/conversations')
export class ConversationsController {
  constructor(
    private readonly conversations: ConversationsService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Returns the caller’s conversations, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listConversations' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  async list(@CurrentUser() { id }: Caller, @Query() { limit, cursor }: PageQueryDto): Promise<ConversationsPageDto> {
    const before = readCursor(cursor, (key) => /^[1-9]\d{0,14}$/.test(key));
    const participantId = await this.participants.getId(id);
    const rows = await this.conversations.list(
      participantId,
      before === undefined ? undefined : Number(before),
      limit + 1,
    );
    return toPage(
      rows,
      limit,
      (row) => String(row.id),
      (row) => row,
    );
  }

  /** Removes the caller from a conversation. Its messages and its other members stay. */
  @Delete(':conversation')
  @ApiOperation({ operationId: 'leaveConversation' })
  @ApiParam({ name: 'conversation', schema: { type: 'integer', minimum: 1 }, example: 12 })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('conversation_not_found')
  async leave(@CurrentUser() caller: Caller, @ConversationIdParam() id: number): Promise<void> {
    await this.conversations.leave(await this.participants.getId(caller.id), id);
  }
}
