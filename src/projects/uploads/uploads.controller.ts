import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Post,
  Put,
  Req,
  Res,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { readFiles } from '../../http/bodies/read-files.js';
import { FormOnlyGuard } from '../../http/bodies/form-only.guard.js';
import { Problem } from '../../http/problems/problem.js';
import { type ProblemCode, PROBLEMS } from '../../http/problems/problem-catalogue.js';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { IF_MATCH, readExpectedVersion, sendVersioned, versionTag } from '../../http/versions.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ChapterSlotsInterceptor } from './chapter-slots.interceptor.js';
import { CommitsService } from './commits/commits.service.js';
import { UploadFilesService } from './files/upload-files.service.js';
import { UPLOAD_LIMITS } from './limits.js';
import {
  CommitUploadDto,
  OrderUploadDto,
  START_UPLOAD_EXAMPLES,
  StartUploadDto,
  UploadDto,
  UploadFilesDto,
} from './uploads.dto.js';
import { UploadsService } from './uploads.service.js';

const ARCHIVE_TYPES = [
  'application/zip',
  'application/vnd.comicbook+zip',
  'application/x-cbz',
  'application/x-zip-compressed',
  'application/octet-stream',
];

const ARCHIVE_PROBLEMS = (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) => code.startsWith('archive_'));

/** Why files are refused. */
const FILE_PROBLEMS = [
  'upload_not_found',
  'upload_not_open',
  'upload_file_exists',
  'upload_too_large',
  'upload_too_many_files',
  'unsupported_media_type',
  'request_timeout',
  'too_many_uploads',
  'rate_limited',
  'storage_unavailable',
] as const satisfies ProblemCode[];

/**
 * Uploads of chapters: start one, send files or an archive, put them in order, commit. A user has one at a time, and sees
 * only their own.
 */
@ApiTags('projects')
@Controller('uploads')
export class UploadsController {
  constructor(
    private readonly uploads: UploadsService,
    private readonly files: UploadFilesService,
    private readonly commits: CommitsService,
  ) {}

  /** Starts an upload, for a new chapter of a project or for a draft. */
  @Post()
  @ApiOperation({ operationId: 'startUpload' })
  @ApiBody({ type: StartUploadDto, examples: START_UPLOAD_EXAMPLES })
  @RequirePermissions('upload_chapters')
  @ApiProblems('project_not_found', 'chapter_not_found', 'chapter_not_draft', 'upload_exists')
  async start(
    @CurrentUser() caller: Caller,
    @Body() dto: StartUploadDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadDto> {
    const id = await this.uploads.start(caller, dto);
    response.location(publicPath(`/api/uploads/${id}`));
    return this.send(caller, id, response);
  }

  /** Returns the caller's open upload with the files that have arrived, else the one committed last. */
  @Get('current')
  @ApiOperation({ operationId: 'getCurrentUpload' })
  @RequirePermissions('upload_chapters')
  @ApiOkResponse({ type: UploadDto })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('upload_not_found')
  async getCurrent(@CurrentUser() caller: Caller, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendVersioned(request, response, await this.uploads.getCurrent(caller));
  }

  /** Returns an upload of the caller, with the progress of its commit. */
  @Get(':id')
  @ApiOperation({ operationId: 'getUpload' })
  @RequirePermissions('upload_chapters')
  @ApiOkResponse({ type: UploadDto })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('upload_not_found')
  async get(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendVersioned(request, response, await this.uploads.get(caller, id));
  }

  /** Abandons an open upload. Its files are deleted. */
  @Delete(':id')
  @ApiOperation({ operationId: 'abandonUpload' })
  @RequirePermissions('upload_chapters')
  @HttpCode(204)
  @ApiProblems('upload_not_found', 'upload_not_open')
  abandon(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.uploads.abandon(caller, id);
  }

  /**
   * Adds pictures, each as a part named `files`. Each is kept as soon as it has arrived: after a lost connection or a refused
   * file, send the rest. A file that has arrived already is not added again.
   */
  @Post(':id/files')
  @ApiOperation({ operationId: 'addUploadFiles' })
  @RequirePermissions('upload_chapters')
  @HttpCode(200)
  @AcceptsBody('multipart')
  @UseGuards(FormOnlyGuard)
  @UseInterceptors(ChapterSlotsInterceptor)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: UploadFilesDto })
  @ApiProblems(
    ...FILE_PROBLEMS,
    'no_file',
    'malformed_multipart',
    'form_expected',
    'upload_file_name',
    'unsupported_picture',
    'file_too_large',
  )
  async addFiles(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadDto> {
    await readFiles(request, response, { field: 'files', maxFiles: UPLOAD_LIMITS.files }, (name, source) =>
      this.files.add(caller, id, name, source),
    );
    return this.send(caller, id, response);
  }

  /** Adds the pictures of a zip or cbz archive, sorted by their names with 2 before 10. All of them, or none. */
  @Put(':id/archive')
  @ApiOperation({ operationId: 'addUploadArchive' })
  @RequirePermissions('upload_chapters')
  @AcceptsBody('any')
  @UseInterceptors(ChapterSlotsInterceptor)
  @ApiConsumes(...ARCHIVE_TYPES)
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiProblems(...FILE_PROBLEMS, ...ARCHIVE_PROBLEMS)
  async addArchive(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadDto> {
    if (!request.is(ARCHIVE_TYPES)) throw new Problem('unsupported_media_type');
    await this.files.addArchive(caller, id, request);
    return this.send(caller, id, response);
  }

  /** Removes a file. */
  @Delete(':id/files/:file_id')
  @ApiOperation({ operationId: 'removeUploadFile' })
  @RequirePermissions('upload_chapters')
  @HttpCode(204)
  @ApiProblems('upload_not_found', 'upload_not_open', 'upload_file_not_found')
  removeFile(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('file_id') fileId: string,
  ): Promise<void> {
    return this.uploads.removeFile(caller, id, fileId);
  }

  /** Sets the order of the pages. */
  @Put(':id/order')
  @ApiOperation({ operationId: 'orderUpload' })
  @RequirePermissions('upload_chapters')
  @ApiHeader(IF_MATCH)
  @ApiProblems('upload_not_found', 'upload_not_open', 'upload_order_mismatch', 'version_conflict', 'version_required')
  async reorder(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, file_ids }: OrderUploadDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadDto> {
    await this.uploads.reorder(caller, id, readExpectedVersion(ifMatch, version), file_ids);
    return this.send(caller, id, response);
  }

  /**
   * Makes the files the pages of a chapter, in the background: `done` of `total` tells how far it is, also as the event
   * `upload_progress` of the chat. The chapter is published, or waits for a moderator, or fails as a whole.
   */
  @Post(':id/commit')
  @ApiOperation({ operationId: 'commitUpload' })
  @RequirePermissions('upload_chapters')
  @HttpCode(202)
  @ApiHeader(IF_MATCH)
  @ApiProblems(
    'upload_not_found',
    'upload_not_open',
    'upload_empty',
    'project_not_found',
    'chapter_not_found',
    'chapter_not_draft',
    'chapter_exists',
    'release_group_not_found',
    'version_conflict',
    'version_required',
  )
  async commit(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, chapter }: CommitUploadDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadDto> {
    await this.commits.start(caller, id, readExpectedVersion(ifMatch, version), chapter);
    return this.send(caller, id, response);
  }

  private async send(caller: Caller, id: string, response: Response): Promise<UploadDto> {
    const dto = await this.uploads.get(caller, id);
    response.setHeader('etag', versionTag(dto.version, dto));
    return dto;
  }
}
