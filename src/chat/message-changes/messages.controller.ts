import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationIdParam, MessageIdParam } from '../protocol/path-parameters.js';
import { MessageHistoryDto } from './message-changes.dto.js';
import { MessageChangesService } from './message-changes.service.js';
import { MessagesPageDto } from '../messages/messages.dto.js';
import { MessagesService } from '../messages/messages.service.js';

const ID = { type: 'integer', minimum: 1 } as const;

/** Messages over HTTP, for clients of any protocol and for moderators. */
@ApiTags('chat')
@ApiParam({ name: 'conversation', schema: ID, example: 12 })
@Controller('chat/conversations/:conversation/messages')
export class MessagesController {
  constructor(
    private readonly messages: MessagesService,
    private readonly changes: MessageChangesService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Returns messages of a conversation, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listMessages' })
  @SignedIn()
  @ApiProblems('conversation_not_found', 'invalid_cursor')
  async list(
    @CurrentUser() { id }: Caller,
    @ConversationIdParam() conversation: number,
    @Query() { limit, cursor }: PageQueryDto,
  ): Promise<MessagesPageDto> {
    const before = readCursor(cursor, (key) => /^[1-9]\d{0,14}$/.test(key));
    const participantId = await this.participants.getId(id);
    const rows = await this.messages.listFull(
      participantId,
      conversation,
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

  /** Deletes a message of the caller; with the permission `moderate_chat`, of anyone, also in conversations of others. */
  @Delete(':message')
  @ApiOperation({ operationId: 'deleteMessage' })
  @ApiParam({ name: 'message', schema: ID, example: 4711 })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('conversation_not_found', 'message_not_found', 'not_the_sender')
  async remove(
    @CurrentUser() { id, session_id }: Caller,
    @ConversationIdParam() conversation: number,
    @MessageIdParam() message: number,
  ): Promise<void> {
    const participant_id = await this.participants.getId(id);
    await this.changes.remove({ user_id: id, session_id, participant_id }, conversation, message);
  }

  /** Returns a message with its earlier contents, also if it is deleted. Audited. */
  @Get(':message/versions')
  @ApiOperation({ operationId: 'getMessageHistory' })
  @ApiParam({ name: 'message', schema: ID, example: 4711 })
  @RequirePermissions('moderate_chat')
  @ApiProblems('conversation_not_found', 'message_not_found')
  getHistory(
    @CurrentUser() { id, session_id }: Caller,
    @ConversationIdParam() conversation: number,
    @MessageIdParam() message: number,
  ): Promise<MessageHistoryDto> {
    return this.changes.getHistory({ user_id: id, session_id }, conversation, message);
  }
}
