import { Controller, Delete, Get, HttpCode, Param, Patch, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiParam,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { UuidParam } from '../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { shownAvatarUrl } from '../users/avatar-url.js';
import { toUserDto, UserDto } from '../users/users.dto.js';
import { AvatarDeliveryService } from './avatar-delivery.service.js';
import { AvatarDto, AvatarQueryDto, MyAvatarDto, toAvatarDto, toMyAvatarDto } from './avatars.dto.js';
import { AvatarsService } from './avatars.service.js';
import { SIZES } from './image-format.js';

const UPLOAD_PROBLEMS = [
  'no_file',
  'malformed_multipart',
  'avatar_locked',
  'file_too_large',
  'form_expected',
  'unsupported_picture',
  'picture_damaged',
  'picture_too_large',
  'picture_too_slow',
  'too_many_uploads',
  'rate_limited',
  'storage_unavailable',
] as const;

const FILE = { type: 'string', format: 'binary', description: 'JPEG, PNG, WebP, GIF or AVIF, at most 5 MiB.' };
const picture = (...types: string[]) => ({
  content: Object.fromEntries(types.map((type) => [type, { schema: { type: 'string', format: 'binary' } }])),
});

@ApiTags('avatars')
@Controller()
export class AvatarsController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly delivery: AvatarDeliveryService,
  ) {}

  /** The caller's avatars: the one that everybody sees, the one that waits, and why the last was rejected. */
  @Get('users/me/avatar')
  @SignedIn()
  async mine(@CurrentUser() caller: Caller): Promise<MyAvatarDto> {
    return toMyAvatarDto(shownAvatarUrl(caller.profile), await this.avatars.mine(caller));
  }

  /**
   * Uploads the caller's avatar: one file, kept as a square of WebP in four sizes with nothing else of the file. 202 while
   * it waits for a moderator, 201 when everybody sees it at once. It replaces one that still waits.
   */
  @Put('users/me/avatar')
  @SignedIn()
  @HttpCode(202)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ schema: { type: 'object', required: ['avatar'], properties: { avatar: FILE } } })
  @ApiResponse({ status: 202, type: AvatarDto })
  @ApiCreatedResponse({ type: AvatarDto })
  @ApiProblems(...UPLOAD_PROBLEMS)
  async upload(
    @CurrentUser() caller: Caller,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AvatarDto> {
    const { avatar, isShown } = await this.avatars.upload(caller, request);
    response.status(isShown ? 201 : 202);
    return toAvatarDto(avatar, isShown);
  }

  /** Deletes the caller's avatar, and one that waits. */
  @Delete('users/me/avatar')
  @SignedIn()
  @HttpCode(204)
  remove(@CurrentUser() caller: Caller): Promise<void> {
    return this.avatars.remove(caller);
  }

  /**
   * Changes the caller's profile by a form, with a file named `avatar` or without. A form that is sent to
   * `PATCH /api/users/me` comes here.
   */
  @Patch('users/me/form')
  @SignedIn()
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: { type: 'object', properties: { fullname: { type: 'string', example: 'Hana Sato' }, avatar: FILE } },
  })
  @ApiProblems('username_taken', 'email_taken', 'wrong_password', 'busy', ...UPLOAD_PROBLEMS)
  async updateMe(@CurrentUser() caller: Caller, @Req() request: Request): Promise<UserDto> {
    return toUserDto(await this.avatars.updateProfile(caller, request));
  }

  /** Leads to the avatar that a user shows; one who shows none gets a picture drawn from the id. */
  @Get('users/:id/avatar')
  @Public()
  @ApiOkResponse(picture('image/png'))
  @ApiResponse({ status: 302, description: 'To the address of the avatar.' })
  @ApiProblems('avatar_not_found', 'database_unavailable')
  ofUser(
    @UuidParam('id') id: string,
    @Query() query: AvatarQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.delivery.ofUser(id, query, request, response);
  }

  /** One size of an avatar; before a moderator has approved it, for its owner and moderators only. */
  @Get('avatars/:id/:size.webp')
  @Public()
  @ApiParam({ name: 'size', enum: [...SIZES] })
  @ApiOkResponse(picture('image/webp'))
  @ApiResponse({ status: 206, description: 'The range that was asked for.' })
  @ApiResponse({ status: 304, description: 'As it was.' })
  @ApiProblems('avatar_not_found', 'range_not_satisfiable', 'database_unavailable', 'storage_unavailable')
  file(
    @UuidParam('id') id: string,
    @Param('size') size: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.delivery.file(id, size, request, response);
  }
}
