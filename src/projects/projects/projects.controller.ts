import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { refToHeaders } from '../../http/openapi/response-headers.js';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { publicPath } from '../../http/log/request-context.js';
import { VersionQueryDto } from '../../http/versions.dto.js';
import { IF_MATCH, readExpectedVersion, sendVersioned, versionTag } from '../../http/versions.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentReader, type Reader, readerOf } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { ProjectSearchService } from './project-search.service.js';
import {
  CreateProjectDto,
  ProjectDto,
  ProjectRevisionsPageDto,
  ProjectsPageDto,
  ProjectsQueryDto,
  UpdateProjectDto,
} from './projects.dto.js';
import { ProjectsService } from './projects.service.js';

/** Projects: the works that are published in chapters. */
@ApiTags('projects')
@Controller('projects')
export class ProjectsController {
  constructor(
    private readonly projects: ProjectsService,
    private readonly search: ProjectSearchService,
  ) {}

  /** Searches and lists the projects that the caller sees. */
  @Get()
  @ApiOperation({ operationId: 'listProjects' })
  @OpenToReaders()
  @ApiProblems('invalid_cursor')
  list(@CurrentReader() reader: Reader, @Query() query: ProjectsQueryDto): Promise<ProjectsPageDto> {
    return this.search.list(reader, query);
  }

  /** Creates a project. */
  @Post()
  @ApiOperation({ operationId: 'createProject' })
  @RequirePermissions('manage_projects')
  @ApiProblems('slug_taken')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateProjectDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ProjectDto> {
    const id = await this.projects.create(caller, dto);
    response.location(publicPath(`/api/projects/${id}`));
    return this.send(readerOf(caller), id, response);
  }

  /** Returns a project by its id or slug. A former slug redirects to the current one. */
  @Get(':id_or_slug')
  @ApiOperation({ operationId: 'getProject' })
  @OpenToReaders()
  @ApiOkResponse({ type: ProjectDto })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiResponse({ status: 301, description: 'Redirects from a former slug.', headers: refToHeaders('Location') })
  @ApiProblems('project_not_found')
  async get(
    @CurrentReader() reader: Reader,
    @Param('id_or_slug') idOrSlug: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const project = await this.search.get(reader, idOrSlug);
    const isCurrent = [project.id, project.slug].includes(idOrSlug.toLowerCase());
    if (!isCurrent)
      return void response
        .status(301)
        .location(publicPath(`/api/projects/${project.slug}`))
        .end();
    sendVersioned(request, response, this.search.toDto(reader, project));
  }

  /** Changes a project. */
  @Patch(':id_or_slug')
  @ApiOperation({ operationId: 'updateProject' })
  @RequirePermissions('manage_projects')
  @ApiHeader(IF_MATCH)
  @ApiProblems('project_not_found', 'slug_taken', 'version_conflict', 'version_required')
  async update(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, ...dto }: UpdateProjectDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ProjectDto> {
    const { id } = await this.search.get(readerOf(caller), idOrSlug);
    await this.projects.update(caller, id, readExpectedVersion(ifMatch, version), dto);
    return this.send(readerOf(caller), id, response);
  }

  /** Deletes a project. With chapters, it also needs `upload_chapters`, since the chapters are deleted with it. */
  @Delete(':id_or_slug')
  @ApiOperation({ operationId: 'removeProject' })
  @RequirePermissions('manage_projects')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiProblems('project_not_found', 'project_has_chapters', 'version_conflict', 'version_required')
  remove(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() { version }: VersionQueryDto,
  ): Promise<void> {
    return this.projects.remove(caller, idOrSlug, readExpectedVersion(ifMatch, version));
  }

  /** Returns the versions of a project, newest first, each with the fields that it changed. */
  @Get(':id_or_slug/revisions')
  @ApiOperation({ operationId: 'listProjectRevisions' })
  @RequirePermissions('manage_projects')
  @ApiProblems('project_not_found', 'invalid_cursor')
  listRevisions(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Query() query: PageQueryDto,
  ): Promise<ProjectRevisionsPageDto> {
    return this.projects.listRevisions(caller, idOrSlug, query);
  }

  private async send(reader: Reader, id: string, response: Response): Promise<ProjectDto> {
    const dto = this.search.toDto(reader, await this.search.get(reader, id));
    response.setHeader('etag', versionTag(dto.version, dto));
    return dto;
  }
}
