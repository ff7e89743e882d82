import { Controller, Delete, HttpCode } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationIdParam } from '../protocol/path-parameters.js';
import { MembersService } from './members.service.js';

/** Membership over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/conversations')
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Removes the caller from a conversation. Its messages and its other members stay. */
  @Delete(':conversation')
  @ApiOperation({ operationId: 'leaveConversation' })
  @ApiParam({ name: 'conversation', schema: { type: 'integer', minimum: 1 }, example: 12 })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('conversation_not_found')
  async leave(@CurrentUser() caller: Caller, @ConversationIdParam() id: number): Promise<void> {
    await this.members.leave({ participant_id: await this.participants.getId(caller.id) }, id);
  }
}
