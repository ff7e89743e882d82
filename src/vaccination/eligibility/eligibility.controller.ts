import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { EligibilityDto, EligibilityQueryDto } from './eligibility.dto.js';
import { EligibilityService } from './eligibility.service.js';

@ApiTags('vaccination')
@Controller('vaccination/registrations')
@SignedIn()
export class EligibilityController {
  constructor(private readonly eligibility: EligibilityService) {}

  /** Returns the next dose of a person of your account, its earliest day, and every reason why not, for each vaccine. */
  @Get(':id/eligibility')
  @ApiOperation({ operationId: 'getEligibility' })
  @ApiProblems('registration_not_found', 'vaccine_not_found', 'centre_not_found')
  get(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: EligibilityQueryDto,
  ): Promise<EligibilityDto> {
    return this.eligibility.get(caller, id, query);
  }
}
