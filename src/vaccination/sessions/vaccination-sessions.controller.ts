import { Body, Controller, Get, HttpCode, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { JsonText } from '../../http/json-text.js';
import { toTaggedBody } from '../../http/tagged-json.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { SessionSearchService } from './session-search.service.js';
import {
  CreateRecurringVaccinationSessionsDto,
  CreateVaccinationSessionDto,
  RecurringVaccinationSessionsDto,
  toSessionDto,
  VaccinationSessionDto,
  VaccinationSessionsPageDto,
  VaccinationSessionsQueryDto,
  UpdateVaccinationSessionDto,
} from './vaccination-sessions.dto.js';
import { VaccinationSessionsService } from './vaccination-sessions.service.js';
import { publicPath } from '../../http/log/request-context.js';

/** How long a client may show the list without asking again. */
const LIST_CACHE_SECONDS = 5;

@ApiTags('vaccination')
@Controller('vaccination/sessions')
@SignedIn()
export class VaccinationSessionsController {
  constructor(
    private readonly sessions: VaccinationSessionsService,
    private readonly search: SessionSearchService,
  ) {}

  /** Returns sessions with their free places, the nearest or the earliest first. */
  @Get()
  @ApiOperation({ operationId: 'listVaccinationSessions' })
  @ApiOkResponse({ type: VaccinationSessionsPageDto })
  @ApiProblems('forbidden', 'invalid_cursor')
  async list(
    @CurrentUser() caller: Caller,
    @Query() query: VaccinationSessionsQueryDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JsonText<VaccinationSessionsPageDto> | undefined> {
    const page = await this.search.list(caller, query);
    response.set('cache-control', `private, max-age=${LIST_CACHE_SECONDS}`);
    return toTaggedBody(request, response, page);
  }

  /** Creates a session as a draft. */
  @Post()
  @ApiOperation({ operationId: 'createVaccinationSession' })
  @ApiProblems('forbidden', 'centre_not_found', 'vaccine_not_found')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateVaccinationSessionDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<VaccinationSessionDto> {
    const session = await this.sessions.create(caller, dto);
    response.location(publicPath(`/api/vaccination/sessions/${session.id}`));
    return toSessionDto(session);
  }

  /** Creates the sessions of a weekly pattern as drafts: all of them or none. */
  @Post('recurring')
  @ApiOperation({ operationId: 'createRecurringVaccinationSessions' })
  @ApiProblems('forbidden', 'centre_not_found', 'vaccine_not_found')
  async createRecurring(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateRecurringVaccinationSessionsDto,
  ): Promise<RecurringVaccinationSessionsDto> {
    const sessions = await this.sessions.createRecurring(caller, dto);
    return { items: sessions.map((session) => toSessionDto(session)) };
  }

  /** Returns a session. Drafts are visible to the staff of their centre. */
  @Get(':id')
  @ApiOperation({ operationId: 'getVaccinationSession' })
  @ApiProblems('vaccination_session_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<VaccinationSessionDto> {
    return toSessionDto(await this.sessions.get(caller, id));
  }

  /** Changes a draft, or the capacities of an open session. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateVaccinationSession' })
  @ApiProblems(
    'vaccination_session_not_found',
    'forbidden',
    'session_not_changeable',
    'capacity_below_bookings',
    'vaccine_not_found',
  )
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateVaccinationSessionDto,
  ): Promise<VaccinationSessionDto> {
    return toSessionDto(await this.sessions.update(caller, id, dto));
  }

  /** Opens a draft: its places can be booked from `opens_at`. */
  @Post(':id/open')
  @ApiOperation({ operationId: 'openVaccinationSession' })
  @HttpCode(200)
  @ApiProblems('vaccination_session_not_found', 'forbidden', 'session_not_changeable')
  async open(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<VaccinationSessionDto> {
    return toSessionDto(await this.sessions.open(caller, id));
  }

  /** Ends the bookings of an open session. Appointments stay. */
  @Post(':id/close')
  @ApiOperation({ operationId: 'closeVaccinationSession' })
  @HttpCode(200)
  @ApiProblems('vaccination_session_not_found', 'forbidden', 'session_not_changeable')
  async close(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<VaccinationSessionDto> {
    return toSessionDto(await this.sessions.close(caller, id));
  }
}
