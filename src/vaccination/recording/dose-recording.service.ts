import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type FieldError, Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import type { Appointment } from '../appointments/appointment.entity.js';
import { CheckInService } from '../appointments/check-in.service.js';
import { lockPerson } from '../appointments/lock-person.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { CertificatesService } from '../certificates/certificates.service.js';
import { dayOf } from '../days.js';
import { Dose } from '../doses/dose.entity.js';
import { ROUTES_WITHOUT_SITE } from '../doses/dose-codes.js';
import type { EnterDoseInErrorDto, RecordDoseDto } from '../doses/doses.dto.js';
import { DosesService } from '../doses/doses.service.js';
import { findUntimely } from '../eligibility/eligibility.js';
import { ineligible } from '../eligibility/ineligible.js';
import { LotsService } from '../lots/lots.service.js';
import { assertNotOwn } from '../registrations/own-record.js';
import type { Registration } from '../registrations/registration.entity.js';
import { isOnSessionDay } from '../sessions/session-days.js';
import type { VaccinationSession } from '../sessions/vaccination-session.entity.js';

/**
 * Records doses, and marks wrong records. Both lock in the order vaccinator, person, appointment, lot, dose, certificate, so that
 * they deadlock neither with each other nor with the deletion of an account or a person.
 */
@Injectable()
export class DoseRecordingService {
  constructor(
    @InjectRepository(Dose) private readonly doses: Repository<Dose>,
    private readonly records: DosesService,
    private readonly checkIns: CheckInService,
    private readonly lots: LotsService,
    private readonly certificates: CertificatesService,
    private readonly staff: CentreStaffService,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Records a dose that the caller has given, fulfils the appointment, takes the dose out of the stock and issues the
   * certificate. Throws `appointment_not_found`, `registration_not_found`, `forbidden`, `own_record`, `appointment_not_checked_in`,
   * `dose_recorded`, `previous_dose_missing`, `too_early`, `too_young`, `too_old`, `validation_failed` and the problems of
   * LotsService.takeDose.
   */
  async record(caller: Caller, dto: RecordDoseDto): Promise<Dose> {
    const appointment = await this.checkIns.get(dto.appointment_id);
    await this.staff.assertStaff(caller, appointment.session.centre_id, 'vaccinator', 'manager');
    const dose = this.toDose(caller, appointment, dto);
    await this.doses.manager.transaction(async (manager) => {
      await this.users.lockCaller(manager, caller);
      const person = await lockPerson(manager, appointment);
      assertNotOwn(caller, person);
      await this.checkIns.fulfil(manager, appointment.id);
      const { session } = appointment;
      const day = dayOf(dose.given_at, session.centre.time_zone);
      const { centre_id, vaccine_id } = session;
      await this.lots.takeDose(manager, dose.lot_id, { centre_id, vaccine_id, day });
      await this.assertTimely(manager, dose, person, session);
      await manager.insert(Dose, dose);
      await this.certificates.issueForDose(manager, dose.id);
      await this.audit.write(manager, {
        action: 'vaccination_dose.recorded',
        ...actorOf(caller),
        subject_id: dose.id,
        details: { registration_id: dose.registration_id, lot_id: dose.lot_id },
      });
    });
    return this.records.get(dose.id);
  }

  /**
   * Marks a record as wrong and revokes its certificate. The person counts as checked in again, so that the dose can be
   * recorded anew. Throws `dose_not_found`, `forbidden`, `own_record`, `dose_in_error`.
   */
  async enterInError(caller: Caller, id: string, { reason, return_stock = false }: EnterDoseInErrorDto): Promise<Dose> {
    const { centre_id, registration_id, registration, appointment_id, lot_id } = await this.records.get(id);
    await this.staff.assertRole(caller, centre_id, 'vaccinator', 'manager');
    assertNotOwn(caller, registration);
    const now = this.clock.date();
    await this.doses.manager.transaction(async (manager) => {
      await lockPerson(manager, { registration_id });
      const isReopened = await this.checkIns.reopen(manager, appointment_id);
      if (isReopened && return_stock) await this.lots.returnDose(manager, lot_id);
      const error = { status: 'entered_in_error' as const, error_at: now, error_reason: reason };
      const { affected } = await manager.update(
        Dose,
        { id, status: 'completed' },
        { ...error, is_stock_returned: return_stock },
      );
      if (!isReopened || affected === 0) throw new Problem('dose_in_error');
      await this.certificates.revokeForDose(manager, id);
      await this.audit.write(manager, {
        action: 'vaccination_dose.entered_in_error',
        ...actorOf(caller),
        subject_id: id,
        details: { registration_id, reason, return_stock },
      });
    });
    return this.records.get(id);
  }

  /** Throws `validation_failed` for a time outside the session, and a site that does not fit the route. */
  private toDose(caller: Caller, { id, registration_id, session, disease, dose }: Appointment, dto: RecordDoseDto) {
    const now = this.clock.date();
    const { lot_id, route, site = null, given_at = now } = dto;
    const errors: FieldError[] = [];
    if (given_at > now || !isOnSessionDay(session, given_at)) {
      errors.push({ path: 'given_at', message: 'given_at must be on the day of the session, and not in the future' });
    }
    if ((site === null) !== ROUTES_WITHOUT_SITE.includes(route)) {
      errors.push({ path: 'site', message: `site must ${site === null ? '' : 'not '}be given for the route ${route}` });
    }
    if (errors.length > 0) throw validationFailed(errors);
    const given = { lot_id, route, site, given_at, vaccinator_id: caller.id, created_at: now };
    const { centre_id, vaccine_id } = session;
    const planned = { appointment_id: id, registration_id, centre_id, vaccine_id, disease, dose };
    return { id: uuidv7(), status: 'completed' as const, ...planned, ...given };
  }

  /**
   * Order and interval may have changed since the booking: the previous dose may have been entered in error, and recorded
   * anew. A dose that is on record already is left to the unique index.
   */
  private async assertTimely(
    manager: EntityManager,
    next: Pick<Dose, 'registration_id' | 'disease' | 'dose' | 'given_at'>,
    { date_of_birth }: Registration,
    { vaccine, centre: { time_zone } }: VaccinationSession,
  ): Promise<void> {
    const { dose, disease, given_at } = next;
    const given = await this.records.listCompleted(next.registration_id, manager);
    const before = given.find((each) => each.disease === disease && each.dose === dose - 1);
    if (dose > 1 && !before) throw new Problem('previous_dose_missing');
    const previous = before ? dayOf(before.given_at, time_zone) : null;
    const untimely = findUntimely({ date_of_birth, vaccine, dose, previous, day: dayOf(given_at, time_zone) });
    if (!untimely) return;
    const { reason, earliest_day } = untimely;
    throw ineligible([reason], { next_dose: dose, earliest_day });
  }
}
