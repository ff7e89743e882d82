import { Body, Controller, Get, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CreateLotDto, LotDto, LotsPageDto, LotsQueryDto, toLotDto, UpdateLotDto } from './lots.dto.js';
import { LotsService } from './lots.service.js';
import { publicPath } from '../../http/log/request-context.js';

@ApiTags('vaccination')
@Controller('vaccination/lots')
@SignedIn()
export class LotsController {
  constructor(private readonly lots: LotsService) {}

  /** Returns the lots of the centres where the caller works. */
  @Get()
  @ApiOperation({ operationId: 'listLots' })
  @ApiProblems('forbidden', 'invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: LotsQueryDto): Promise<LotsPageDto> {
    return this.lots.list(caller, query);
  }

  /** Adds a lot to the stock of a centre. */
  @Post()
  @ApiOperation({ operationId: 'createLot' })
  @ApiProblems('forbidden', 'centre_not_found', 'vaccine_not_found', 'lot_recalled', 'lot_exists')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateLotDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LotDto> {
    const lot = await this.lots.create(caller, dto);
    response.location(publicPath(`/api/vaccination/lots/${lot.id}`));
    return toLotDto(lot);
  }

  /** Returns a lot to the staff of its centre. */
  @Get(':id')
  @ApiOperation({ operationId: 'getLot' })
  @ApiProblems('lot_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<LotDto> {
    return toLotDto(await this.lots.get(caller, id));
  }

  /** Corrects the expiry or the number of doses of a lot. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateLot' })
  @ApiProblems('lot_not_found', 'forbidden', 'lot_overdrawn')
  async update(@CurrentUser() caller: Caller, @UuidParam('id') id: string, @Body() dto: UpdateLotDto): Promise<LotDto> {
    return toLotDto(await this.lots.update(caller, id, dto));
  }
}
