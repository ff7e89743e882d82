import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { toSessionDto, VaccinationSessionDto } from '../sessions/vaccination-sessions.dto.js';
import { CancelVaccinationSessionDto } from './session-cancellations.dto.js';
import { SessionCancellationsService } from './session-cancellations.service.js';

@ApiTags('vaccination')
@Controller('vaccination/sessions')
@SignedIn()
export class SessionCancellationsController {
  constructor(private readonly cancellations: SessionCancellationsService) {}

  /** Cancels a session with its appointments and its waitlist. */
  @Post(':id/cancel')
  @ApiOperation({ operationId: 'cancelVaccinationSession' })
  @HttpCode(200)
  @ApiProblems('vaccination_session_not_found', 'forbidden', 'session_not_changeable')
  async cancel(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { reason }: CancelVaccinationSessionDto,
  ): Promise<VaccinationSessionDto> {
    return toSessionDto(await this.cancellations.cancel(caller, id, reason));
  }
}
