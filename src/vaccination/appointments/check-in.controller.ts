import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CHECK_IN_EXAMPLES, CheckInDto, VisitDto } from './check-in.dto.js';
import { CheckInService } from './check-in.service.js';

@ApiTags('vaccination')
@Controller('vaccination/appointments')
@SignedIn()
export class CheckInController {
  constructor(private readonly checkIns: CheckInService) {}

  /** Checks a person in by their code, or by a manager of the centre with a reason. */
  @Post(':id/check-in')
  @ApiOperation({ operationId: 'checkInAppointment' })
  @ApiBody({ type: CheckInDto, examples: CHECK_IN_EXAMPLES })
  @HttpCode(200)
  @ApiProblems(
    'appointment_not_found',
    'forbidden',
    'own_record',
    'not_session_day',
    'appointment_not_changeable',
    'wrong_check_in_code',
    'check_in_locked',
  )
  checkIn(@CurrentUser() caller: Caller, @UuidParam('id') id: string, @Body() dto: CheckInDto): Promise<VisitDto> {
    return this.checkIns.checkIn(caller, id, dto);
  }

  /** Records after the session that the person did not come, or left without the dose. */
  @Post(':id/no-show')
  @ApiOperation({ operationId: 'recordNoShow' })
  @HttpCode(200)
  @ApiProblems('appointment_not_found', 'forbidden', 'session_not_over', 'appointment_not_changeable')
  recordNoShow(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<VisitDto> {
    return this.checkIns.recordNoShow(caller, id);
  }
}
