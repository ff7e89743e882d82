import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { ApiProblems } from '../../permissions/access.decorators.js';
import { sendText } from '../feeds/send-text.js';
import { CurrentReader, type Reader } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { ApiCatalogue } from './api-catalogue.decorator.js';
import type { Catalogue } from './catalogue.js';
import { CataloguesService } from './catalogues.service.js';
import { CatalogueQueryDto, ProjectCatalogueQueryDto } from './opds.dto.js';
import { OPDS1_TYPES, toOpds1, toOpenSearch } from './opds1.js';

/** The catalogue for comic readers in OPDS 1.2. */
@ApiTags('feeds')
@Controller('opds')
export class Opds1Controller {
  constructor(private readonly catalogues: CataloguesService) {}

  /** Returns the root of the catalogue in OPDS 1.2. */
  @Get()
  @ApiOperation({ operationId: 'getRootOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/atom+xml')
  getRoot(@CurrentReader() reader: Reader, @Req() request: Request, @Res() response: Response): void {
    send(request, response, this.catalogues.getRoot(reader));
  }

  /** Returns the projects that the caller sees as a catalogue in OPDS 1.2. */
  @Get('projects')
  @ApiOperation({ operationId: 'getProjectsOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/atom+xml')
  @ApiProblems('invalid_cursor')
  async listProjects(
    @CurrentReader() reader: Reader,
    @Query() { query, cursor }: ProjectCatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listProjects(reader, query, cursor));
  }

  /** Returns the chapters of a project that the caller sees as a catalogue in OPDS 1.2. */
  @Get('projects/:id_or_slug')
  @ApiOperation({ operationId: 'getProjectOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/atom+xml')
  @ApiProblems('project_not_found', 'invalid_cursor')
  async listOfProject(
    @CurrentReader() reader: Reader,
    @Param('id_or_slug') idOrSlug: string,
    @Query() { cursor }: CatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listOfProject(reader, idOrSlug, cursor));
  }

  /** Returns the latest chapters that the caller sees as a catalogue in OPDS 1.2. */
  @Get('latest')
  @ApiOperation({ operationId: 'getLatestOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/atom+xml')
  @ApiProblems('invalid_cursor')
  async listLatest(
    @CurrentReader() reader: Reader,
    @Query() { cursor }: CatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listLatest(reader, cursor));
  }

  /** Returns the latest chapters of followed projects as a catalogue in OPDS 1.2. Needs a feed token as Basic password, or a session. */
  @Get('follows')
  @ApiOperation({ operationId: 'getFollowsOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/atom+xml')
  @ApiProblems('invalid_cursor')
  async listFollowed(
    @CurrentReader() reader: Reader,
    @Query() { cursor }: CatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listFollowed(reader, cursor));
  }

  /** Describes the search of the catalogue (OpenSearch). */
  @Get('search.xml')
  @ApiOperation({ operationId: 'getSearchOpds1' })
  @OpenToReaders()
  @ApiCatalogue('application/opensearchdescription+xml')
  getSearch(@Req() request: Request, @Res() response: Response): void {
    sendText(request, response, OPDS1_TYPES.search, toOpenSearch());
  }
}

const send = (request: Request, response: Response, catalogue: Catalogue): void =>
  sendText(request, response, OPDS1_TYPES.catalogue(catalogue), toOpds1(catalogue));
