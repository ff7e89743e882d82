import { Body, Controller, Get, Headers, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { DecisionDto } from '../../http/versions.dto.js';
import { IF_MATCH, readOptionalVersion } from '../../http/versions.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { RegistrationReviewsService } from './registration-reviews.service.js';
import {
  CreateRegistrationDto,
  OwnRegistrationsDto,
  ReadRegistrationQueryDto,
  VaccinationRegistrationDto,
  RegistrationsPageDto,
  RegistrationsQueryDto,
  RejectRegistrationDto,
  toRegistrationDto,
  UpdateRegistrationDto,
} from './registrations.dto.js';
import { RegistrationsService } from './registrations.service.js';

@ApiTags('vaccination')
@Controller('vaccination/registrations')
@SignedIn()
export class RegistrationsController {
  constructor(
    private readonly registrations: RegistrationsService,
    private readonly reviews: RegistrationReviewsService,
  ) {}

  /** Registers the caller or a dependant for vaccination. The staff verifies the registration. */
  @Post()
  @ApiOperation({ operationId: 'createRegistration' })
  @ApiProblems('person_registered', 'registration_exists', 'too_many_dependants', 'rate_limited')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateRegistrationDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<VaccinationRegistrationDto> {
    const registration = await this.registrations.create(caller, dto);
    response.location(publicPath(`/api/vaccination/registrations/${registration.id}`));
    return toRegistrationDto(registration);
  }

  /** Returns registrations, newest first. Each record read is written to the audit log with the reason. */
  @Get()
  @ApiOperation({ operationId: 'listRegistrations' })
  @RequirePermissions('verify_registrations')
  @ApiProblems('invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: RegistrationsQueryDto): Promise<RegistrationsPageDto> {
    return this.reviews.list(caller, query);
  }

  /** Returns the caller's own registration and those of their dependants. */
  @Get('me')
  @ApiOperation({ operationId: 'listOwnRegistrations' })
  async listOwn(@CurrentUser() caller: Caller): Promise<OwnRegistrationsDto> {
    return { items: (await this.registrations.listOwn(caller)).map(toRegistrationDto) };
  }

  /**
   * Returns a registration to its owner, to callers with `verify_registrations`, and to the staff of a centre where the person
   * has an appointment. The staff needs a `reason`, which is written to the audit log.
   */
  @Get(':id')
  @ApiOperation({ operationId: 'getRegistration' })
  @ApiProblems('registration_not_found')
  async get(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: ReadRegistrationQueryDto,
  ): Promise<VaccinationRegistrationDto> {
    return toRegistrationDto(await this.reviews.get(caller, id, reason));
  }

  /**
   * Changes an own registration. It is pending afterwards, unless only the phone number changes. Of a verified registration,
   * only the phone number and a missing date of birth can be changed.
   */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateRegistration' })
  @ApiProblems(
    'registration_not_found',
    'registration_decided',
    'registration_in_use',
    'person_registered',
    'rate_limited',
  )
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateRegistrationDto,
  ): Promise<VaccinationRegistrationDto> {
    return toRegistrationDto(await this.registrations.update(caller, id, dto));
  }

  /** Withdraws an own, verified registration without appointments. Changing it asks for verification again. */
  @Post(':id/withdraw')
  @ApiOperation({ operationId: 'withdrawRegistration' })
  @HttpCode(200)
  @ApiProblems('registration_not_found', 'registration_decided', 'registration_in_use')
  async withdraw(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<VaccinationRegistrationDto> {
    return toRegistrationDto(await this.registrations.withdraw(caller, id));
  }

  /**
   * Verifies a pending registration of another user. With the `version` that the caller has read, a registration that its owner
   * changed since then is not verified.
   */
  @Post(':id/verify')
  @ApiOperation({ operationId: 'verifyRegistration' })
  @RequirePermissions('verify_registrations')
  @HttpCode(200)
  @ApiHeader(IF_MATCH)
  @ApiBody({ type: DecisionDto, required: false })
  @ApiProblems('registration_not_found', 'registration_decided', 'version_conflict', 'forbidden')
  async verify(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version }: DecisionDto,
  ): Promise<VaccinationRegistrationDto> {
    return toRegistrationDto(await this.reviews.verify(caller, id, readOptionalVersion(ifMatch, version)));
  }

  /**
   * Rejects a pending registration of another user. Its owner sees the reason, and can correct it. With the `version` that the
   * caller has read, a registration that its owner changed since then is not rejected.
   */
  @Post(':id/reject')
  @ApiOperation({ operationId: 'rejectRegistration' })
  @RequirePermissions('verify_registrations')
  @HttpCode(200)
  @ApiHeader(IF_MATCH)
  @ApiProblems('registration_not_found', 'registration_decided', 'version_conflict', 'forbidden')
  async reject(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, reason }: RejectRegistrationDto,
  ): Promise<VaccinationRegistrationDto> {
    return toRegistrationDto(await this.reviews.reject(caller, id, readOptionalVersion(ifMatch, version), reason));
  }
}
