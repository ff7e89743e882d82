import { Controller, Delete, Get, HttpCode, Post, Query, Req, Res, UseGuards, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { FormOnlyGuard } from '../../http/bodies/form-only.guard.js';
import { readFile } from '../../http/bodies/read-file.js';
import { UuidParam } from '../../http/validation.js';
import { MAX_PAGE_BYTES } from '../../images/image-jobs.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { sendImage, SendsImage } from '../../stored-images/image-response.js';
import { imageUrls } from '../../stored-images/image-urls.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { AttachmentDto } from '../protocol/message.dto.js';
import { AttachmentSlotsInterceptor } from './attachment-slots.interceptor.js';
import { AttachmentTokensService } from './attachment-tokens.service.js';
import { AttachmentImageQueryDto, AttachmentWithImagesDto, UploadAttachmentDto } from './attachments.dto.js';
import { AttachmentsService, toAttachmentDto } from './attachments.service.js';

/** Pictures of messages. They are uploaded first, and then sent with `send_message`. */
@ApiTags('chat')
@Controller('chat/attachments')
export class AttachmentsController {
  constructor(
    private readonly attachments: AttachmentsService,
    private readonly tokens: AttachmentTokensService,
    private readonly authenticator: AuthenticatorService,
  ) {}

  /** Uploads a picture. Only the caller sees it until it is sent with `send_message`; after 24 hours it is deleted unless it is sent. */
  @Post()
  @ApiOperation({ operationId: 'uploadAttachment' })
  @SignedIn()
  @AcceptsBody('multipart')
  @UseGuards(FormOnlyGuard)
  @UseInterceptors(AttachmentSlotsInterceptor)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: UploadAttachmentDto })
  @ApiCreatedResponse({ type: AttachmentDto })
  @ApiProblems(
    'too_many_attachments',
    'no_file',
    'malformed_multipart',
    'form_expected',
    'file_too_large',
    'unsupported_picture',
    'picture_damaged',
    'picture_too_large',
    'picture_too_slow',
    'request_timeout',
    'too_many_uploads',
    'rate_limited',
    'storage_unavailable',
  )
  async upload(
    @CurrentUser() { id }: Caller,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AttachmentDto> {
    const file = await readFile(request, response, { field: 'file', maxBytes: MAX_PAGE_BYTES });
    return this.attachments.create(id, file);
  }

  /** Returns an attachment of a message that the caller may read, or one of the caller’s that is not sent yet, with the addresses of its files. */
  @Get(':id')
  @ApiOperation({ operationId: 'getAttachment' })
  @SignedIn()
  @ApiProblems('attachment_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<AttachmentWithImagesDto> {
    const attachment = await this.attachments.get(caller.id, id);
    const images = imageUrls(`/api/chat/attachments/${attachment.id}/image`, this.tokens.create(caller, attachment.id));
    return { ...toAttachmentDto(attachment), images };
  }

  /** Deletes an attachment of the caller that is not sent. */
  @Delete(':id')
  @ApiOperation({ operationId: 'deleteAttachment' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('attachment_not_found', 'attachment_used')
  remove(@CurrentUser() { id: userId }: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.attachments.remove(userId, id);
  }

  /** Sends a file of an attachment. `token` is in the addresses that `GET /api/chat/attachments/{id}` returns. */
  @Get(':id/image')
  @ApiOperation({ operationId: 'getAttachmentImage' })
  @Public()
  @SendsImage({ redirects: false })
  @ApiProblems(
    'attachment_not_found',
    'range_not_satisfiable',
    'token_required',
    'invalid_token',
    'token_expired',
    'database_unavailable',
    'storage_unavailable',
  )
  async getImage(
    @UuidParam('id') id: string,
    @Query() { variant = 'reader', token }: AttachmentImageQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const caller =
      token === undefined ? await this.authenticator.authenticate(request) : await this.tokens.findCaller(token, id);
    await sendImage(request, response, await this.attachments.getImage(caller?.id ?? null, id, variant));
  }
}
