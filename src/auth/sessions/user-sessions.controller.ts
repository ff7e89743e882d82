import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { DeviceSessionsPageDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('users/:id/sessions')
@RequirePermissions('admin')
export class UserSessionsController {
  constructor(private readonly sessions: SessionsService) {}

  /** Returns a user's sessions, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listSessionsOfUser' })
  @ApiProblems('user_not_found', 'invalid_cursor')
  list(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: PageQueryDto,
  ): Promise<DeviceSessionsPageDto> {
    return this.sessions.listFor(caller, id, query);
  }

  /** Revokes all sessions of a user. */
  @Delete()
  @ApiOperation({ operationId: 'revokeSessionsOfUser' })
  @HttpCode(204)
  removeAll(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.removeAll(caller, id);
  }

  /** Revokes one session of a user. */
  @Delete(':session_id')
  @ApiOperation({ operationId: 'revokeSessionOfUser' })
  @HttpCode(204)
  @ApiProblems('session_not_found')
  remove(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('session_id') sessionId: string,
  ): Promise<void> {
    return this.sessions.remove(caller, id, sessionId);
  }
}
