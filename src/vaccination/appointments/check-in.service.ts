import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { assertNotOwn } from '../registrations/own-record.js';
import { isOnSessionDay } from '../sessions/session-days.js';
import { Appointment, type AppointmentStatus } from './appointment.entity.js';
import { type CheckInDto, toVisitDto, type VisitDto } from './check-in.dto.js';
import { CheckInCodesService } from './check-in-codes.service.js';

const MAX_FAILED_CHECK_INS = 5;

/** Checks the person in, or counts a wrong code. $2: whether the code is right; $3: now. */
const TRY_CODE = `update vaccination_appointments set
    status = case when $2 then 'checked_in' else status end,
    checked_in_at = case when $2 then $3::timestamptz end,
    failed_check_ins = failed_check_ins + case when $2 then 0 else 1 end,
    updated_at = $3
  where id = $1 and status = 'booked' and failed_check_ins < ${MAX_FAILED_CHECK_INS}
  returning failed_check_ins`;

/** What happens to an appointment at the centre: the check-in, the dose, or that the person did not come. */
@Injectable()
export class CheckInService {
  constructor(
    @InjectRepository(Appointment) private readonly appointments: Repository<Appointment>,
    private readonly codes: CheckInCodesService,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** An appointment with its person, session and centre. Throws `appointment_not_found`. */
  async get(id: string): Promise<Appointment> {
    const appointment = await findUnique(this.appointments, {
      where: { id },
      relations: { registration: true, session: { centre: true, vaccine: true } },
    });
    if (!appointment) throw new Problem('appointment_not_found');
    return appointment;
  }

  /**
   * Checks a person in on a day of the session. Throws `appointment_not_found`, `forbidden`, `own_record`, `not_session_day`,
   * `appointment_not_changeable`, `wrong_check_in_code`, `check_in_locked`, `validation_failed`.
   */
  async checkIn(caller: Caller, id: string, { code, override_reason }: CheckInDto): Promise<VisitDto> {
    if ((code === undefined) === (override_reason === undefined)) {
      throw validationFailed([{ path: 'code', message: 'send either code or override_reason' }]);
    }
    const { session, registration } = await this.get(id);
    await this.staff.assertRole(caller, session.centre_id, ...(code === undefined ? MANAGER : STAFF_ROLES));
    if (!isOnSessionDay(session, this.clock.date())) throw new Problem('not_session_day');
    if (code === undefined) assertNotOwn(caller, registration);
    if (code === undefined) await this.override(caller, id, override_reason!);
    else await this.tryCode(caller, id, code);
    return toVisitDto(await this.get(id));
  }

  /**
   * Records after the end of the session that the person did not come, or left without the dose. Throws
   * `appointment_not_found`, `forbidden`, `session_not_over`, `appointment_not_changeable`.
   */
  async recordNoShow(caller: Caller, id: string): Promise<VisitDto> {
    const { session } = await this.get(id);
    await this.staff.assertRole(caller, session.centre_id, ...STAFF_ROLES);
    if (this.clock.date() < session.ends_at) throw new Problem('session_not_over');
    await this.appointments.manager.transaction(async (manager) => {
      if (!(await this.change(manager, id, ['booked', 'checked_in'], { status: 'no_show' }))) {
        throw new Problem('appointment_not_changeable');
      }
      await this.audit.write(manager, {
        action: 'vaccination_appointment.no_show',
        ...actorOf(caller),
        subject_id: id,
      });
    });
    return toVisitDto(await this.get(id));
  }

  /** The person has been given the dose. Throws `dose_recorded`, `appointment_not_checked_in`. */
  async fulfil(manager: EntityManager, id: string): Promise<void> {
    if (await this.change(manager, id, ['checked_in'], { status: 'fulfilled' })) return;
    const isFulfilled = await manager.existsBy(Appointment, { id, status: 'fulfilled' });
    throw new Problem(isFulfilled ? 'dose_recorded' : 'appointment_not_checked_in');
  }

  /** The record of the dose was wrong: the person counts as checked in again. Returns whether the dose was recorded. */
  reopen(manager: EntityManager, id: string): Promise<boolean> {
    return this.change(manager, id, ['fulfilled'], { status: 'checked_in' });
  }

  private async tryCode(caller: Caller, id: string, code: string): Promise<void> {
    const isRight = this.codes.isCodeOf(id, code);
    const failures = await this.appointments.manager.transaction(async (manager) => {
      const parameters = [id, isRight, this.clock.date()];
      const [row] = await returningRows<{ failed_check_ins: number }>(manager, TRY_CODE, parameters);
      if (!row) throw new Problem(await this.findObstacle(manager, id));
      await this.audit.write(manager, {
        action: isRight ? 'vaccination_appointment.checked_in' : 'vaccination_appointment.check_in_refused',
        ...actorOf(caller),
        subject_id: id,
        succeeded: isRight,
      });
      return row.failed_check_ins;
    });
    if (isRight) return;
    throw new Problem('wrong_check_in_code', { members: { remaining_tries: MAX_FAILED_CHECK_INS - failures } });
  }

  private override(caller: Caller, id: string, reason: string): Promise<void> {
    return this.appointments.manager.transaction(async (manager) => {
      const changes = { status: 'checked_in' as const, checked_in_at: this.clock.date() };
      if (!(await this.change(manager, id, ['booked'], changes))) throw new Problem('appointment_not_changeable');
      await this.audit.write(manager, {
        action: 'vaccination_appointment.checked_in',
        ...actorOf(caller),
        subject_id: id,
        details: { override_reason: reason },
      });
    });
  }

  private async findObstacle(
    manager: EntityManager,
    id: string,
  ): Promise<'check_in_locked' | 'appointment_not_changeable'> {
    const isBooked = await manager.existsBy(Appointment, { id, status: 'booked' });
    return isBooked ? 'check_in_locked' : 'appointment_not_changeable';
  }

  /** Returns whether the appointment was in one of these states. */
  private async change(
    manager: EntityManager,
    id: string,
    from: AppointmentStatus[],
    changes: Partial<Appointment>,
  ): Promise<boolean> {
    const state = { id, status: In(from) };
    const { affected } = await manager.update(Appointment, state, { ...changes, updated_at: this.clock.date() });
    return affected === 1;
  }
}

const MANAGER = ['manager'] as const;
