import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { ApiProblems } from '../../permissions/access.decorators.js';
import { UuidParam } from '../../http/validation.js';
import { sendText } from '../feeds/send-text.js';
import { CurrentReader, type Reader } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { ApiCatalogue } from './api-catalogue.decorator.js';
import type { Catalogue } from './catalogue.js';
import { CataloguesService } from './catalogues.service.js';
import { CatalogueQueryDto, ProjectCatalogueQueryDto } from './opds.dto.js';
import { OPDS2_TYPE, PUBLICATION_TYPE, toOpds2, toPublication } from './opds2.js';

/** The catalogue for comic readers in OPDS 2.0. */
@ApiTags('feeds')
@Controller('opds/v2')
export class Opds2Controller {
  constructor(private readonly catalogues: CataloguesService) {}

  /** Returns the root of the catalogue in OPDS 2.0. */
  @Get()
  @ApiOperation({ operationId: 'getRootOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds+json')
  getRoot(@CurrentReader() reader: Reader, @Req() request: Request, @Res() response: Response): void {
    send(request, response, this.catalogues.getRoot(reader));
  }

  /** Returns the projects that the caller sees as a catalogue in OPDS 2.0. */
  @Get('projects')
  @ApiOperation({ operationId: 'getProjectsOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds+json')
  @ApiProblems('invalid_cursor')
  async listProjects(
    @CurrentReader() reader: Reader,
    @Query() { query, cursor }: ProjectCatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listProjects(reader, query, cursor));
  }

  /** Returns the chapters of a project that the caller sees as a catalogue in OPDS 2.0. */
  @Get('projects/:id_or_slug')
  @ApiOperation({ operationId: 'getProjectOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds+json')
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

  /** Returns a chapter that the caller sees as a publication in OPDS 2.0. */
  @Get('chapters/:id')
  @ApiOperation({ operationId: 'getChapterOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds-publication+json')
  @ApiProblems('chapter_not_found')
  async getChapter(
    @CurrentReader() reader: Reader,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const publication = toPublication(await this.catalogues.getChapter(reader, id));
    sendText(request, response, PUBLICATION_TYPE, JSON.stringify(publication));
  }

  /** Returns the latest chapters that the caller sees as a catalogue in OPDS 2.0. */
  @Get('latest')
  @ApiOperation({ operationId: 'getLatestOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds+json')
  @ApiProblems('invalid_cursor')
  async listLatest(
    @CurrentReader() reader: Reader,
    @Query() { cursor }: CatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listLatest(reader, cursor));
  }

  /** Returns the latest chapters of followed projects as a catalogue in OPDS 2.0. Needs a feed token as Basic password, or a session. */
  @Get('follows')
  @ApiOperation({ operationId: 'getFollowsOpds2' })
  @OpenToReaders()
  @ApiCatalogue('application/opds+json')
  @ApiProblems('invalid_cursor')
  async listFollowed(
    @CurrentReader() reader: Reader,
    @Query() { cursor }: CatalogueQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    send(request, response, await this.catalogues.listFollowed(reader, cursor));
  }
}

const send = (request: Request, response: Response, catalogue: Catalogue): void =>
  sendText(request, response, OPDS2_TYPE, toOpds2(catalogue));
