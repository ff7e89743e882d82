import { Body, Controller, Get, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import {
  CreateVaccineDto,
  toVaccineDto,
  UpdateVaccineDto,
  VaccineDto,
  VaccinesPageDto,
  VaccinesQueryDto,
} from './vaccines.dto.js';
import { VaccinesService } from './vaccines.service.js';
import { publicPath } from '../../http/log/request-context.js';

@ApiTags('vaccination')
@Controller('vaccination/vaccines')
export class VaccinesController {
  constructor(private readonly vaccines: VaccinesService) {}

  /** Returns the vaccines of the catalogue, oldest first. */
  @Get()
  @ApiOperation({ operationId: 'listVaccines' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  list(@Query() query: VaccinesQueryDto): Promise<VaccinesPageDto> {
    return this.vaccines.list(query);
  }

  /** Adds a vaccine to the catalogue. */
  @Post()
  @ApiOperation({ operationId: 'createVaccine' })
  @RequirePermissions('manage_vaccines')
  @ApiProblems('vaccine_code_taken')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateVaccineDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<VaccineDto> {
    const vaccine = await this.vaccines.create(caller, dto);
    response.location(publicPath(`/api/vaccination/vaccines/${vaccine.id}`));
    return toVaccineDto(vaccine);
  }

  /** Returns a vaccine. */
  @Get(':id')
  @ApiOperation({ operationId: 'getVaccine' })
  @SignedIn()
  @ApiProblems('vaccine_not_found')
  async get(@UuidParam('id') id: string): Promise<VaccineDto> {
    return toVaccineDto(await this.vaccines.get(id));
  }

  /** Changes a vaccine. Appointments and records that exist stay as they are. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateVaccine' })
  @RequirePermissions('manage_vaccines')
  @ApiProblems('vaccine_not_found', 'vaccine_code_taken')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateVaccineDto,
  ): Promise<VaccineDto> {
    return toVaccineDto(await this.vaccines.update(caller, id, dto));
  }
}
