import { Controller, Delete, Get, HttpCode } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../common/validation.js';
import { Problems, RequirePermissions } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { DeviceSessionDto, toDeviceSessionDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('users/:id/sessions')
@RequirePermissions('admin')
export class UserSessionsController {
  constructor(private readonly sessions: SessionsService) {}

  /** The devices on which a user is signed in. */
  @Get()
  @Problems('user_not_found')
  async list(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<DeviceSessionDto[]> {
    const sessions = await this.sessions.listOf(me, id);
    return sessions.map((session) => toDeviceSessionDto(session, me.session_id));
  }

  /** Signs a user out everywhere. */
  @Delete()
  @HttpCode(204)
  removeAll(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.removeAll(me, id);
  }

  /** Signs a user out on one device. */
  @Delete(':session_id')
  @HttpCode(204)
  @Problems('session_not_found')
  remove(
    @Me() me: CurrentUser,
    @UuidParam('id') id: string,
    @UuidParam('session_id') sessionId: string,
  ): Promise<void> {
    return this.sessions.remove(me, id, sessionId);
  }
}
