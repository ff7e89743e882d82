import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import {
  ModeratedAvatarDto,
  ModeratedAvatarsPageDto,
  ModerationQueryDto,
  ReasonDto,
  TakeDownDto,
} from '../avatars.dto.js';
import { APPROVED_MODERATED_AVATAR, MODERATED_AVATAR, REJECTED_MODERATED_AVATAR } from '../avatars.examples.js';
import { ModerationService } from './moderation.service.js';

/** Routes of moderators: the queue of avatars, and decisions about them. */
@ApiTags('avatars')
@Controller('moderation')
@RequirePermissions('moderate_avatars')
export class ModerationController {
  constructor(private readonly moderation: ModerationService) {}

  /** Lists avatars in one state, oldest first. */
  @Get('avatars')
  @ApiOperation({ operationId: 'listAvatarsToModerate' })
  @ApiOkResponse({ type: ModeratedAvatarsPageDto, example: { items: [MODERATED_AVATAR], next_cursor: null } })
  @ApiProblems('invalid_cursor')
  list(@Query() query: ModerationQueryDto): Promise<ModeratedAvatarsPageDto> {
    return this.moderation.list(query);
  }

  /** Approves a pending avatar: everyone sees it. The first of several decisions counts. */
  @Post('avatars/:id/approve')
  @ApiOperation({ operationId: 'approveAvatar' })
  @HttpCode(200)
  @ApiOkResponse({ type: ModeratedAvatarDto, example: APPROVED_MODERATED_AVATAR })
  @ApiProblems('avatar_not_found', 'avatar_not_pending')
  approve(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<ModeratedAvatarDto> {
    return this.moderation.approve(caller, id);
  }

  /** Rejects a pending avatar. Its owner sees the reason; an avatar approved before stays. */
  @Post('avatars/:id/reject')
  @ApiOperation({ operationId: 'rejectAvatar' })
  @HttpCode(200)
  @ApiOkResponse({ type: ModeratedAvatarDto, example: REJECTED_MODERATED_AVATAR })
  @ApiProblems('avatar_not_found', 'avatar_not_pending')
  reject(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { reason }: ReasonDto,
  ): Promise<ModeratedAvatarDto> {
    return this.moderation.reject(caller, id, reason);
  }

  /** Removes a user's shown and pending avatars, and locks uploads for a number of days. */
  @Delete('users/:id/avatar')
  @ApiOperation({ operationId: 'takeDownAvatar' })
  @HttpCode(204)
  @ApiProblems('user_not_found', 'avatar_not_found')
  takeDown(@CurrentUser() caller: Caller, @UuidParam('id') id: string, @Body() dto: TakeDownDto): Promise<void> {
    return this.moderation.takeDown(caller, id, dto);
  }
}
