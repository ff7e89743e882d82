import { Body, Controller, Get, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { DoseDto, EnterDoseInErrorDto, OwnDosesDto, RecordDoseDto, toDoseDto } from '../doses/doses.dto.js';
import { DosesService } from '../doses/doses.service.js';
import { ReadRegistrationQueryDto } from '../registrations/registrations.dto.js';
import { DoseRecordingService } from './dose-recording.service.js';

@ApiTags('vaccination')
@Controller('vaccination/doses')
@SignedIn()
export class DosesController {
  constructor(
    private readonly doses: DosesService,
    private readonly recording: DoseRecordingService,
  ) {}

  /** Records a dose that the caller, a vaccinator or manager of the centre, has given to another person. */
  @Post()
  @ApiOperation({ operationId: 'recordDose' })
  @ApiProblems(
    'appointment_not_found',
    'registration_not_found',
    'forbidden',
    'own_record',
    'appointment_not_checked_in',
    'dose_recorded',
    'previous_dose_missing',
    'too_early',
    'too_young',
    'too_old',
    'lot_not_found',
    'lot_of_other_vaccine',
    'lot_recalled',
    'lot_expired',
    'lot_out_of_stock',
  )
  async record(
    @CurrentUser() caller: Caller,
    @Body() dto: RecordDoseDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<DoseDto> {
    const dose = await this.recording.record(caller, dto);
    response.location(publicPath(`/api/vaccination/doses/${dose.id}`));
    return toDoseDto(dose);
  }

  /** Returns the doses of the caller and of their dependants, also wrong records. */
  @Get('me')
  @ApiOperation({ operationId: 'listOwnDoses' })
  async listOwn(@CurrentUser() caller: Caller): Promise<OwnDosesDto> {
    return { items: (await this.doses.listOwn(caller)).map(toDoseDto) };
  }

  /**
   * Returns a dose to the person, to callers with `verify_registrations`, and to the staff of a centre where the person has an
   * appointment. The staff needs a `reason`, which is written to the audit log.
   */
  @Get(':id')
  @ApiOperation({ operationId: 'getDose' })
  @ApiProblems('dose_not_found', 'forbidden')
  async get(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: ReadRegistrationQueryDto,
  ): Promise<DoseDto> {
    return toDoseDto(await this.doses.getVisible(caller, id, reason));
  }

  /** Marks a record as wrong. It stays, its certificate is revoked, and the dose can be recorded again. */
  @Post(':id/entered-in-error')
  @ApiOperation({ operationId: 'enterDoseInError' })
  @HttpCode(200)
  @ApiProblems('dose_not_found', 'forbidden', 'own_record', 'dose_in_error')
  async enterInError(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: EnterDoseInErrorDto,
  ): Promise<DoseDto> {
    return toDoseDto(await this.recording.enterInError(caller, id, dto));
  }
}
