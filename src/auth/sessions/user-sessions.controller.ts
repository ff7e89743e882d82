import { Controller, Delete, Get, HttpCode } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { DeviceSessionDto, toDeviceSessionDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('users/:id/sessions')
@RequirePermissions('admin')
export class UserSessionsController {
  constructor(private readonly sessions: SessionsService) {}

  /** The devices on which a user is signed in. */
  @Get()
  @ApiProblems('user_not_found')
  async list(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<DeviceSessionDto[]> {
    const sessions = await this.sessions.listFor(caller, id);
    return sessions.map((session) => toDeviceSessionDto(session, caller.session_id));
  }

  /** Signs a user out everywhere. */
  @Delete()
  @HttpCode(204)
  removeAll(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.removeAll(caller, id);
  }

  /** Signs a user out on one device. */
  @Delete(':session_id')
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
