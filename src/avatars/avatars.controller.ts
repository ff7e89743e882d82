import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  Put,
  Query,
  Req,
  Res,
  UploadedFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import {
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AuthenticatorService } from '../auth/authenticator.service.js';
import { AcceptsBody } from '../http/bodies/body.guard.js';
import { Problem } from '../http/problems/problem.js';
import type { ProblemCode } from '../http/problems/problem-catalogue.js';
import { refToHeaders } from '../http/openapi/response-headers.js';
import { sendRepresentation } from '../http/representation.js';
import { UuidParam } from '../http/validation.js';
import { SIZES } from '../images/image-jobs.js';
import { ApiProblems, Public, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { shownAvatarUrl } from '../users/avatar-url.js';
import { AvatarDeliveryService } from './avatar-delivery.service.js';
import { AvatarFormInterceptor, type UploadedAvatarFile } from './uploads/avatar-form.interceptor.js';
import { AvatarDto, AvatarQueryDto, MyAvatarDto, toAvatarDto, toMyAvatarDto, UploadAvatarDto } from './avatars.dto.js';
import { APPROVED_AVATAR, OWN_AVATARS, PENDING_AVATAR } from './avatars.examples.js';
import { AvatarsService } from './avatars.service.js';
import { AvatarSlotsInterceptor } from './uploads/avatar-slots.interceptor.js';
import { FormOnlyGuard } from '../http/bodies/form-only.guard.js';

/** Why an upload is refused. */
export const UPLOAD_PROBLEMS = [
  'no_file',
  'malformed_multipart',
  'avatar_locked',
  'file_too_large',
  'form_expected',
  'unsupported_picture',
  'picture_damaged',
  'picture_too_large',
  'picture_too_slow',
  'request_timeout',
  'too_many_uploads',
  'rate_limited',
  'storage_unavailable',
] as const satisfies ProblemCode[];

const REQUIRED_FILE = new ParseFilePipe({ exceptionFactory: () => new Problem('no_file') });

const imageOf = (type: string) => ({ content: { [type]: { schema: { type: 'string', format: 'binary' } } } });

/** Uploads, removes and delivers avatars. */
@ApiTags('avatars')
@Controller()
export class AvatarsController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly delivery: AvatarDeliveryService,
    private readonly authenticator: AuthenticatorService,
  ) {}

  /** Returns the caller's avatars: the shown, the pending and the last rejected one. */
  @Get('users/me/avatar')
  @ApiOperation({ operationId: 'getMyAvatar' })
  @SignedIn()
  @ApiOkResponse({ type: MyAvatarDto, example: OWN_AVATARS })
  async getOwn(@CurrentUser() caller: Caller): Promise<MyAvatarDto> {
    return toMyAvatarDto(shownAvatarUrl(caller.profile), await this.avatars.listOwn(caller));
  }

  /**
   * Uploads the caller's avatar. The image is cropped to a square and stored as WebP in four sizes, without metadata.
   * Answers 202 while it waits for a moderator, 201 when everyone sees it at once. Replaces a pending avatar.
   */
  @Put('users/me/avatar')
  @ApiOperation({ operationId: 'uploadAvatar' })
  @SignedIn()
  @HttpCode(202)
  @AcceptsBody('multipart')
  @UseGuards(FormOnlyGuard)
  @UseInterceptors(AvatarSlotsInterceptor, AvatarFormInterceptor)
  @ApiConsumes('multipart/form-data')
  @ApiResponse({ status: 202, type: AvatarDto, example: PENDING_AVATAR })
  @ApiCreatedResponse({ type: AvatarDto, example: APPROVED_AVATAR })
  @ApiProblems(...UPLOAD_PROBLEMS)
  async upload(
    @CurrentUser() caller: Caller,
    @UploadedFile(REQUIRED_FILE) { pieces }: UploadedAvatarFile,
    @Body() _: UploadAvatarDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AvatarDto> {
    const { avatar, isShown } = await this.avatars.create(caller, pieces);
    response.status(isShown ? 201 : 202);
    return toAvatarDto(avatar, isShown);
  }

  /** Removes the caller's shown and pending avatars. */
  @Delete('users/me/avatar')
  @ApiOperation({ operationId: 'removeAvatar' })
  @SignedIn()
  @HttpCode(204)
  remove(@CurrentUser() caller: Caller): Promise<void> {
    return this.avatars.remove(caller);
  }

  /** Redirects to the avatar that a user shows. For users without an avatar it sends an image made from the id. */
  @Get('users/:id/avatar')
  @ApiOperation({ operationId: 'getAvatarOfUser' })
  @Public()
  @ApiOkResponse(imageOf('image/png'))
  @ApiResponse({ status: 302, description: 'Redirects to the avatar.', headers: refToHeaders('Location') })
  @ApiResponse({
    status: 206,
    description: 'The requested range of the image made from the id.',
    ...imageOf('image/png'),
  })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('avatar_not_found', 'range_not_satisfiable', 'database_unavailable')
  async getOfUser(
    @UuidParam('id') id: string,
    @Query() query: AvatarQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const avatar = await this.delivery.findForUser(id, query);
    if ('location' in avatar) response.set(avatar.headers).status(302).location(avatar.location).end();
    else await sendRepresentation(request, response, avatar);
  }

  /** Sends one size of an avatar. Before a moderator has approved it, only its owner and moderators can read it. */
  @Get('avatars/:id/:size.webp')
  @ApiOperation({ operationId: 'getAvatarFile' })
  @Public()
  @ApiParam({ name: 'size', enum: [...SIZES] })
  @ApiOkResponse(imageOf('image/webp'))
  @ApiResponse({ status: 206, description: 'The requested range.', ...imageOf('image/webp') })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('avatar_not_found', 'range_not_satisfiable', 'database_unavailable', 'storage_unavailable')
  async getFile(
    @UuidParam('id') id: string,
    @Param('size') size: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const file = await this.delivery.getFile(id, size, () => this.authenticator.authenticate(request));
    await sendRepresentation(request, response, file);
  }
}
