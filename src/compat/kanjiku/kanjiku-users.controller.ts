import { Body, Controller, Get, HttpCode, Param, Post, Query, UseFilters, UseGuards } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { VERSION } from '../../common/version.js';
import { Public } from '../../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { KanjikuSessionGuard } from './kanjiku-session.guard.js';
import { KanjikuUsersService } from './kanjiku-users.service.js';
import {
  KanjikuMessageDto,
  KanjikuRegisterDto,
  KanjikuUserDto,
  KanjikuUsersDto,
  KanjikuVersionDto,
  toMessageDto,
} from './kanjiku.dto.js';
import { KanjikuFilter, MessageKeys } from './kanjiku.filter.js';

const parameter = (name: string, description: string, range: { default: number; maximum: number }) => ({
  name,
  description,
  required: false,
  schema: { type: 'integer' as const, minimum: 1, ...range },
});

/** Registration and users of the manga site. */
@ApiTags('kanjiku')
@Controller()
@Public()
@UseFilters(KanjikuFilter)
export class KanjikuUsersController {
  constructor(private readonly users: KanjikuUsersService) {}

  /** Registers a user (manga site). */
  @Post('v1/User/register')
  @HttpCode(200)
  @RateLimit(REGISTRATION_QUOTA)
  @ApiOperation({ operationId: 'registerAtKanjiku' })
  @ApiBody({ type: KanjikuRegisterDto })
  @MessageKeys({
    200: ['messages.user_created'],
    400: [
      'errors.missing_parameters',
      'errors.birthday_invalid',
      'errors.username_invalid',
      'errors.username_taken',
      'errors.email_invalid',
      'errors.email_taken',
      'errors.validation_error',
    ],
  })
  async register(@Body() body: object | undefined): Promise<KanjikuMessageDto> {
    await this.users.register(body);
    return toMessageDto('messages.user_created');
  }

  /** Lists users in the order of their usernames (manga site). */
  @Get('v1/User')
  @UseGuards(KanjikuSessionGuard)
  @ApiOperation({ operationId: 'listKanjikuUsers' })
  @ApiQuery(parameter('page', 'The number of the page.', { default: 1, maximum: 1_000_000 }))
  @ApiQuery(parameter('pagesize', 'The number of users on a page.', { default: 25, maximum: 100 }))
  @ApiOkResponse({ type: KanjikuUsersDto })
  @MessageKeys({ 400: ['errors.parameter_error', 'errors.no_session', 'errors.session_expired'] })
  list(@CurrentUser() caller: Caller, @Query() query: object): Promise<KanjikuUsersDto> {
    return this.users.list(caller, query);
  }

  /** Returns the caller (manga site). */
  @Get('v1/User/me')
  @UseGuards(KanjikuSessionGuard)
  @ApiOperation({ operationId: 'getKanjikuMe' })
  @ApiOkResponse({ type: KanjikuUserDto })
  @MessageKeys({ 400: ['errors.no_session', 'errors.session_expired'] })
  getMe(@CurrentUser() caller: Caller): KanjikuUserDto {
    return this.users.toDto(caller, caller.profile);
  }

  /** Returns a user; birthday and e-mail address only to the user and to administrators (manga site). */
  @Get('v1/User/:uuid')
  @UseGuards(KanjikuSessionGuard)
  @ApiOperation({ operationId: 'getKanjikuUser' })
  @ApiOkResponse({ type: KanjikuUserDto })
  @MessageKeys({ 400: ['errors.no_session', 'errors.session_expired'], 404: ['errors.user_does_not_exist'] })
  get(@CurrentUser() caller: Caller, @Param('uuid') uuid: string): Promise<KanjikuUserDto> {
    return this.users.get(caller, uuid);
  }

  /** Returns the version of the server (manga site). */
  @Get('version')
  @ApiOperation({ operationId: 'getKanjikuVersion' })
  @MessageKeys({})
  getVersion(): KanjikuVersionDto {
    return { version: VERSION };
  }
}
