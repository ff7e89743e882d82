import { Body, Controller, Delete, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { Problems, Public, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { deviceOf } from './device.js';
import { SessionDto, SignInDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  /** Signs in: opens a session on this device, with an identity token and its one refresh token. */
  @Post()
  @Public()
  @Problems('invalid_credentials', 'busy')
  signIn(@Body() dto: SignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.sessions.signIn(dto, deviceOf(request));
  }

  /** Signs out on this device; its tokens are refused from the next request on. */
  @Delete('current')
  @SignedIn()
  @HttpCode(204)
  signOut(@Me() me: CurrentUser): Promise<void> {
    return this.sessions.remove(me.session_id);
  }
}
