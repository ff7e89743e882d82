import {
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Put,
  Query,
  Req,
  Res,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { FormOnlyGuard } from '../../http/bodies/form-only.guard.js';
import { readFile } from '../../http/bodies/read-file.js';
import { UuidParam } from '../../http/validation.js';
import { VersionQueryDto } from '../../http/versions.dto.js';
import { IF_MATCH, readExpectedVersion, versionTag } from '../../http/versions.js';
import { MAX_PAGE_BYTES } from '../../images/image-jobs.js';
import { ApiProblems, Public, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { sendImage, SendsImage } from '../../stored-images/image-response.js';
import { PageTokensService } from '../pages/page-tokens.service.js';
import { PageImageQueryDto } from '../pages/pages.dto.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { ProjectDto } from '../projects/projects.dto.js';
import { ChapterSlotsInterceptor } from '../uploads/chapter-slots.interceptor.js';
import { ReaderAuthenticatorService } from '../visibility/reader-authenticator.service.js';
import { readerOf } from '../visibility/reader.js';
import { UploadCoverDto } from './covers.dto.js';
import { CoversService } from './covers.service.js';

/** The covers of projects. */
@ApiTags('projects')
@Controller()
export class CoversController {
  constructor(
    private readonly covers: CoversService,
    private readonly search: ProjectSearchService,
    private readonly tokens: PageTokensService,
    private readonly readers: ReaderAuthenticatorService,
  ) {}

  /** Uploads the cover of a project, and replaces the one that it has. */
  @Put('projects/:id_or_slug/cover')
  @ApiOperation({ operationId: 'uploadCover' })
  @RequirePermissions('manage_projects')
  @AcceptsBody('multipart')
  @UseGuards(FormOnlyGuard)
  @UseInterceptors(ChapterSlotsInterceptor)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: UploadCoverDto })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: ProjectDto })
  @ApiProblems(
    'project_not_found',
    'version_conflict',
    'version_required',
    'no_file',
    'malformed_multipart',
    'form_expected',
    'unsupported_media_type',
    'file_too_large',
    'upload_too_large',
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
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() { version }: VersionQueryDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ProjectDto> {
    await this.search.get(readerOf(caller), idOrSlug);
    const expected = readExpectedVersion(ifMatch, version);
    const file = await readFile(request, response, { field: 'cover', maxBytes: MAX_PAGE_BYTES });
    const id = await this.covers.set(caller, idOrSlug, expected, file);
    const reader = readerOf(caller);
    const dto = this.search.toDto(reader, await this.search.get(reader, id));
    response.setHeader('etag', versionTag(dto.version, dto));
    return dto;
  }

  /** Removes the cover of a project. */
  @Delete('projects/:id_or_slug/cover')
  @ApiOperation({ operationId: 'removeCover' })
  @RequirePermissions('manage_projects')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiProblems('project_not_found', 'version_conflict', 'version_required')
  remove(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() { version }: VersionQueryDto,
  ): Promise<void> {
    return this.covers.remove(caller, idOrSlug, readExpectedVersion(ifMatch, version));
  }

  /** Sends the cover of a project that the caller sees. Its id and the `token` are in the addresses that a project has as `cover`. */
  @Get('covers/:id/image')
  @ApiOperation({ operationId: 'getCoverImage' })
  @Public()
  @SendsImage()
  @ApiProblems(
    'cover_not_found',
    'range_not_satisfiable',
    'token_required',
    'invalid_token',
    'token_expired',
    'database_unavailable',
    'storage_unavailable',
  )
  async getImage(
    @UuidParam('id') id: string,
    @Query() { variant = 'reader', token }: PageImageQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const image = await this.covers.getImage(id, variant, () =>
      token === undefined ? this.readers.authenticate(request) : this.tokens.findReader(token, id),
    );
    await sendImage(request, response, image);
  }
}
