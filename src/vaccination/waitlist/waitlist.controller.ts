import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { INELIGIBILITY_REASONS } from '../../http/problems/problem-catalogue.js';
import { JoinWaitlistDto, WaitlistDto, WaitlistEntryDto } from './waitlist.dto.js';
import { WaitlistService } from './waitlist.service.js';

@ApiTags('vaccination')
@Controller('vaccination/sessions/:id/waitlist')
@SignedIn()
export class WaitlistController {
  constructor(private readonly waitlist: WaitlistService) {}

  /** Returns the people of your account who wait for a place of this session, with their positions. */
  @Get()
  @ApiOperation({ operationId: 'getVaccinationWaitlist' })
  @ApiProblems('vaccination_session_not_found')
  list(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<WaitlistDto> {
    return this.waitlist.list(caller, id);
  }

  /** Adds a person of your account to the waitlist of a full session. Free places are booked for those who wait, in order. */
  @Post()
  @ApiOperation({ operationId: 'joinVaccinationWaitlist' })
  @ApiProblems(
    'registration_not_found',
    'vaccination_session_not_found',
    'session_not_open_yet',
    'session_closed',
    'session_cancelled',
    'session_not_full',
    'already_waiting',
    'too_many_waitlists',
    ...INELIGIBILITY_REASONS,
  )
  join(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { registration_id }: JoinWaitlistDto,
  ): Promise<WaitlistEntryDto> {
    return this.waitlist.join(caller, id, registration_id);
  }

  /** Removes a person of your account from the waitlist. */
  @Delete(':registration_id')
  @ApiOperation({ operationId: 'leaveVaccinationWaitlist' })
  @HttpCode(204)
  @ApiProblems('registration_not_found', 'waitlist_entry_not_found')
  leave(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('registration_id') registrationId: string,
  ): Promise<void> {
    return this.waitlist.leave(caller, id, registrationId);
  }
}
