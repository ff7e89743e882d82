import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import {
  AdverseEventDto,
  AdverseEventsPageDto,
  AdverseEventsQueryDto,
  EnterAdverseEventInErrorDto,
  RecordAdverseEventDto,
  toAdverseEventDto,
} from './adverse-events.dto.js';
import { AdverseEventsService } from './adverse-events.service.js';

@ApiTags('vaccination')
@Controller('vaccination/adverse-events')
@SignedIn()
export class AdverseEventsController {
  constructor(private readonly events: AdverseEventsService) {}

  /** Records what happened to a person after a dose. For the staff of the centre where it was given. */
  @Post()
  @ApiOperation({ operationId: 'recordAdverseEvent' })
  @ApiProblems('dose_not_found', 'forbidden', 'dose_in_error', 'adverse_event_recorded')
  async record(@CurrentUser() caller: Caller, @Body() dto: RecordAdverseEventDto): Promise<AdverseEventDto> {
    return toAdverseEventDto(await this.events.record(caller, dto));
  }

  /**
   * Returns the adverse events after a dose or after all doses of a centre, newest first. The staff needs a `reason`, which is
   * written to the audit log for each person.
   */
  @Get()
  @ApiOperation({ operationId: 'listAdverseEvents' })
  @ApiProblems('dose_not_found', 'forbidden', 'invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: AdverseEventsQueryDto): Promise<AdverseEventsPageDto> {
    return this.events.list(caller, query);
  }

  /** Marks a record of an adverse event as wrong. It stays. */
  @Post(':id/entered-in-error')
  @ApiOperation({ operationId: 'enterAdverseEventInError' })
  @HttpCode(200)
  @ApiProblems('adverse_event_not_found', 'forbidden', 'adverse_event_in_error')
  async enterInError(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { reason }: EnterAdverseEventInErrorDto,
  ): Promise<AdverseEventDto> {
    return toAdverseEventDto(await this.events.enterInError(caller, id, reason));
  }
}
