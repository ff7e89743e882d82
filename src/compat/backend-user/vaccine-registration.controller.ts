import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiExtraModels, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import {
  OldVaccinationDto,
  VaccineApprovalDto,
  VaccineSuccessDto,
  VaccineTokenDto,
} from './vaccine-registration.dto.js';
import { VaccineRegistrationService } from './vaccine-registration.service.js';

/** Routes of the vaccine registration's first service, with the token in the body. */
@ApiTags('backend-user')
@Controller()
@Public()
export class VaccineRegistrationController {
  constructor(private readonly vaccines: VaccineRegistrationService) {}

  /** Returns the caller's registration in a list; `[null]` without one (vaccine registration). */
  @Post('myvaccine')
  @ApiOperation({ operationId: 'getVaccinationAtBackendUser' })
  @ApiBody({ type: VaccineTokenDto })
  @ApiExtraModels(OldVaccinationDto)
  @ApiCreatedResponse({
    schema: {
      type: 'array',
      items: { type: 'object', nullable: true, allOf: [{ $ref: getSchemaPath(OldVaccinationDto) }] },
    },
  })
  @ApiProblems('token_required', 'invalid_token', 'token_expired')
  async findOwn(@Body() body: object = {}): Promise<OldVaccinationDto[]> {
    return [await this.vaccines.findOwn(body)] as OldVaccinationDto[];
  }

  /**
   * Returns up to 1,000 registrations, newest first, to callers with `verify_registrations`; if there are more, those that wait
   * for a decision and then the newest (vaccine registration).
   */
  @Post('allvaccines')
  @ApiOperation({ operationId: 'listVaccinationsAtBackendUser' })
  @ApiBody({ type: VaccineTokenDto })
  @HttpCode(200)
  @ApiProblems('token_required', 'invalid_token', 'token_expired')
  list(@Body() body: object = {}): Promise<OldVaccinationDto[]> {
    return this.vaccines.list(body);
  }

  /** Verifies a registration, for callers with `verify_registrations` (vaccine registration). */
  @Post('approve')
  @ApiOperation({ operationId: 'approveVaccinationAtBackendUser' })
  @ApiBody({ type: VaccineApprovalDto })
  @HttpCode(200)
  @ApiProblems(
    'token_required',
    'invalid_token',
    'token_expired',
    'validation_failed',
    'forbidden',
    'registration_not_found',
    'registration_decided',
  )
  async approve(@Body() body: object = {}): Promise<VaccineSuccessDto> {
    await this.vaccines.approve(body);
    return { success: true };
  }
}
