import { Body, Controller, Delete, Get, Headers, HttpCode, Patch, Post, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Config } from '../../config/config.js';
import { validationFailed } from '../../http/problems/problem.js';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { BOOKING_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { SkipChangeLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { INELIGIBILITY_REASONS } from '../../http/problems/problem-catalogue.js';
import {
  AppointmentDto,
  AppointmentsDto,
  CreateAppointmentDto,
  MoveAppointmentDto,
  toAppointmentDto,
} from './appointments.dto.js';
import { AppointmentsService } from './appointments.service.js';
import { BookingsService } from './bookings.service.js';
import { CheckInCodesService } from './check-in-codes.service.js';
import { type OwnAppointment, OwnAppointmentsService } from './own-appointments.service.js';

const REFUSALS = [
  'vaccination_session_not_found',
  'session_cancelled',
  'session_closed',
  'session_not_open_yet',
  'session_full',
  ...INELIGIBILITY_REASONS,
] as const;

@ApiTags('vaccination')
@Controller('vaccination/appointments')
@SignedIn()
export class AppointmentsController {
  constructor(
    private readonly appointments: AppointmentsService,
    private readonly own: OwnAppointmentsService,
    private readonly bookings: BookingsService,
    private readonly codes: CheckInCodesService,
    private readonly quotas: QuotasService,
    private readonly config: Config,
  ) {}

  /** Books a place for a person of your account. The dose is the next one of the person. */
  @Post()
  @SkipChangeLimit(true)
  @ApiOperation({ operationId: 'bookAppointment' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'A new value for each booking: sent again within a day, the same request gets the same appointment.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  })
  @ApiProblems(
    'registration_not_found',
    'appointment_not_found', // the person of an earlier request with this key has been deleted
    'idempotency_key_reused',
    'busy',
    'rate_limited',
    ...REFUSALS,
  )
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateAppointmentDto,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AppointmentDto> {
    this.quotas.consumeInMemory(BOOKING_QUOTA, caller.id);
    if (key !== undefined && !/^[\x21-\x7e]{1,255}$/.test(key)) {
      const message = 'Idempotency-Key must be 1 to 255 visible ASCII characters';
      throw validationFailed([{ path: 'Idempotency-Key', message }]);
    }
    const id = await this.bookings.book(caller, dto, key);
    response.location(publicPath(`/api/vaccination/appointments/${id}`));
    return this.toDto(await this.own.get(caller, id));
  }

  /** Returns the newest appointments of the people of your account, at most 200. */
  @Get('me')
  @ApiOperation({ operationId: 'listMyAppointments' })
  async list(@CurrentUser() caller: Caller): Promise<AppointmentsDto> {
    return { items: (await this.own.list(caller)).map((appointment) => this.toDto(appointment)) };
  }

  /** Returns an appointment of a person of your account. */
  @Get(':id')
  @ApiOperation({ operationId: 'getAppointment' })
  @ApiProblems('appointment_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<AppointmentDto> {
    return this.toDto(await this.own.get(caller, id));
  }

  /** Moves an appointment to another session. The old place is kept if the new session is full. */
  @Patch(':id')
  @ApiOperation({ operationId: 'moveAppointment' })
  @ApiProblems(
    'appointment_not_found',
    'appointment_not_changeable',
    'too_late_to_change',
    'too_many_moves',
    'busy',
    ...REFUSALS,
  )
  async move(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { session_id }: MoveAppointmentDto,
  ): Promise<AppointmentDto> {
    return this.toDto(await this.appointments.move(caller, id, session_id));
  }

  /** Cancels an appointment. */
  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'cancelAppointment' })
  @ApiProblems('appointment_not_found', 'appointment_not_changeable', 'too_late_to_change', 'busy')
  cancel(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.appointments.cancel(caller, id);
  }

  private toDto(appointment: OwnAppointment): AppointmentDto {
    return toAppointmentDto(
      appointment,
      this.codes.codeOf(appointment.appointment_id),
      this.config.BOOKING_CUTOFF_MINUTES,
    );
  }
}
