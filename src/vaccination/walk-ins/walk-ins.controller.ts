import { Body, Controller, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { VisitDto } from '../appointments/check-in.dto.js';
import { INELIGIBILITY_REASONS } from '../../http/problems/problem-catalogue.js';
import { CreateWalkInDto } from './walk-ins.dto.js';
import { WalkInsService } from './walk-ins.service.js';

@ApiTags('vaccination')
@Controller('vaccination/sessions')
@SignedIn()
export class WalkInsController {
  constructor(private readonly walkIns: WalkInsService) {}

  /** Gives a person who came without a booking a place for walk-ins, and checks them in. For the staff of the centre. */
  @Post(':id/walk-ins')
  @ApiOperation({ operationId: 'checkInWalkIn' })
  @ApiProblems(
    'vaccination_session_not_found',
    'forbidden',
    'own_record',
    'registration_not_found',
    'not_session_day',
    'session_cancelled',
    'session_closed',
    'walk_ins_full',
    'busy',
    ...INELIGIBILITY_REASONS,
  )
  create(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { registration_id }: CreateWalkInDto,
  ): Promise<VisitDto> {
    return this.walkIns.create(caller, id, registration_id);
  }
}
