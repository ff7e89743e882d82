import { Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { USERNAME } from '../../users/users.dto.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { UsernameParam } from '../protocol/path-parameters.js';
import { BlockedUsersPageDto } from './blocks.dto.js';
import { BlocksService } from './blocks.service.js';

/** Blocked users over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/blocks')
export class BlocksController {
  constructor(
    private readonly blocks: BlocksService,
    private readonly participants: ParticipantsService,
  ) {}

  /** Returns the users whom the caller has blocked, in alphabetical order. */
  @Get()
  @ApiOperation({ operationId: 'listBlockedUsers' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  async list(@CurrentUser() { id }: Caller, @Query() { limit, cursor }: PageQueryDto): Promise<BlockedUsersPageDto> {
    const after = readCursor(cursor, (key) => USERNAME.test(key)) ?? '';
    const usernames = await this.blocks.list(await this.participants.getId(id), after, limit + 1);
    return toPage(
      usernames,
      limit,
      (username) => username,
      (username) => ({ username }),
    );
  }

  /**
   * Blocks a user. Succeeds if the user is blocked already. Removes the contact between both users. The blocked user cannot
   * add the caller to contacts or conversations, cannot write in a conversation with the caller alone, and gets no notice of
   * the block.
   */
  @Put(':username')
  @ApiOperation({ operationId: 'blockUser' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('user_not_found', 'block_is_self', 'too_many_blocks')
  async add(@CurrentUser() { id }: Caller, @UsernameParam() username: string): Promise<void> {
    await this.blocks.add({ user_id: id, participant_id: await this.participants.getId(id) }, username);
  }

  /** Unblocks a user. The users do not become contacts again. */
  @Delete(':username')
  @ApiOperation({ operationId: 'unblockUser' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('user_not_found', 'block_not_found')
  async remove(@CurrentUser() { id }: Caller, @UsernameParam() username: string): Promise<void> {
    await this.blocks.remove({ user_id: id, participant_id: await this.participants.getId(id) }, username);
  }
}
