import { Body, Controller, Get, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { LotRecipientsPageDto, LotRecipientsQueryDto } from '../lots/lot-recalls.dto.js';
import { CreateRecallDto, RecallDto, RecallsPageDto, toRecallDto } from './recalls.dto.js';
import { RecallsService } from './recalls.service.js';

/** Recalls of a lot at all centres at once. */
@ApiTags('vaccination')
@Controller('vaccination/recalls')
@RequirePermissions('manage_vaccines')
export class RecallsController {
  constructor(private readonly recalls: RecallsService) {}

  /**
   * Recalls a lot at all centres: no dose can be taken from it, no centre can add it to its stock any more, and everyone who
   * got it is told, once. Answers 200 with the earlier recall if there is one, and changes nothing then.
   */
  @Post()
  @ApiOperation({ operationId: 'createRecall' })
  @ApiCreatedResponse({ type: RecallDto })
  @ApiOkResponse({ type: RecallDto })
  @ApiProblems('vaccine_not_found')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateRecallDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RecallDto> {
    const { recall, isNew } = await this.recalls.getOrCreate(caller, dto);
    response.status(isNew ? 201 : 200).location(publicPath(`/api/vaccination/recalls/${recall.id}`));
    return toRecallDto(recall);
  }

  /** Returns the recalls, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listRecalls' })
  @ApiProblems('invalid_cursor')
  list(@Query() query: PageQueryDto): Promise<RecallsPageDto> {
    return this.recalls.list(query);
  }

  /** Returns a recall. */
  @Get(':id')
  @ApiOperation({ operationId: 'getRecall' })
  @ApiProblems('recall_not_found')
  async get(@UuidParam('id') id: string): Promise<RecallDto> {
    return toRecallDto(await this.recalls.get(id));
  }

  /** Returns the doses of the lot at all centres with the people who got them. Each read is written to the audit log. */
  @Get(':id/recipients')
  @ApiOperation({ operationId: 'listRecallRecipients' })
  @ApiProblems('recall_not_found', 'invalid_cursor')
  listRecipients(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: LotRecipientsQueryDto,
  ): Promise<LotRecipientsPageDto> {
    return this.recalls.listRecipients(caller, id, query);
  }
}
