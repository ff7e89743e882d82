import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CentreStaffService } from './centre-staff.service.js';
import {
  CentreDto,
  CentresPageDto,
  CentresQueryDto,
  CreateCentreDto,
  SetStaffRoleDto,
  StaffPageDto,
  toCentreDto,
  UpdateCentreDto,
} from './centres.dto.js';
import { CentresService } from './centres.service.js';
import { publicPath } from '../../http/log/request-context.js';

@ApiTags('vaccination')
@Controller('vaccination/centres')
export class CentresController {
  constructor(
    private readonly centres: CentresService,
    private readonly staff: CentreStaffService,
  ) {}

  /** Returns the vaccination centres, oldest first. */
  @Get()
  @ApiOperation({ operationId: 'listCentres' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  list(@Query() query: CentresQueryDto): Promise<CentresPageDto> {
    return this.centres.list(query);
  }

  /** Adds a vaccination centre. */
  @Post()
  @ApiOperation({ operationId: 'createCentre' })
  @RequirePermissions('manage_vaccines')
  @ApiProblems('centre_code_taken')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateCentreDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CentreDto> {
    const centre = await this.centres.create(caller, dto);
    response.location(publicPath(`/api/vaccination/centres/${centre.id}`));
    return toCentreDto(centre);
  }

  /** Returns a vaccination centre. */
  @Get(':id')
  @ApiOperation({ operationId: 'getCentre' })
  @SignedIn()
  @ApiProblems('centre_not_found')
  async get(@UuidParam('id') id: string): Promise<CentreDto> {
    return toCentreDto(await this.centres.get(id));
  }

  /** Changes a vaccination centre. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateCentre' })
  @RequirePermissions('manage_vaccines')
  @ApiProblems('centre_not_found', 'centre_code_taken')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateCentreDto,
  ): Promise<CentreDto> {
    return toCentreDto(await this.centres.update(caller, id, dto));
  }

  /** Returns the staff of a centre to its managers. */
  @Get(':id/staff')
  @ApiOperation({ operationId: 'listCentreStaff' })
  @SignedIn()
  @ApiProblems('centre_not_found', 'forbidden', 'invalid_cursor')
  listStaff(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: PageQueryDto,
  ): Promise<StaffPageDto> {
    return this.staff.list(caller, id, query);
  }

  /** Gives a user a role at a centre, in place of an earlier one. */
  @Put(':id/staff/:user_id')
  @ApiOperation({ operationId: 'setCentreStaffRole' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('centre_not_found', 'forbidden', 'user_not_found')
  setStaffRole(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('user_id') userId: string,
    @Body() dto: SetStaffRoleDto,
  ): Promise<void> {
    return this.staff.set(caller, id, userId, dto.role);
  }

  /** Removes a user from the staff of a centre. */
  @Delete(':id/staff/:user_id')
  @ApiOperation({ operationId: 'removeCentreStaffMember' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('centre_not_found', 'forbidden', 'staff_member_not_found')
  removeStaffMember(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('user_id') userId: string,
  ): Promise<void> {
    return this.staff.remove(caller, id, userId);
  }
}
