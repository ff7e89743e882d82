import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { AppointmentChangesService } from '../appointments/appointment-changes.service.js';
import { Appointment } from '../appointments/appointment.entity.js';
import { BookableSessionsService } from '../appointments/bookable-sessions.service.js';
import { bookingResults, toOutcomeProblem } from '../appointments/bookings.service.js';
import { toVisitDto, type VisitDto } from '../appointments/check-in.dto.js';
import { CheckInService } from '../appointments/check-in.service.js';
import { lockPerson } from '../appointments/lock-person.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { assertNotOwn } from '../registrations/own-record.js';
import { VaccinationSessionsService } from '../sessions/vaccination-sessions.service.js';

/** Defined in the migration of bookings; see docs/decisions/booking.md. $1 now, $2 id, $3 person, $4 account, $5 session. */
const BOOK_WALK_IN = `select outcome from book_appointments('walk_in', $1, array[$2::uuid], array[$3::uuid], array[$4::uuid],
  array[$5::uuid], array[$6::text], array[$7::smallint], array[null::bytea], array[null::bytea])`;

/** People who come without a booking. They take the places that a session has for them, not those that can be booked. */
@Injectable()
export class WalkInsService {
  private readonly results;

  constructor(
    private readonly sessions: VaccinationSessionsService,
    private readonly bookable: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly changes: AppointmentChangesService,
    private readonly checkIns: CheckInService,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
    metrics: MetricsService,
  ) {
    this.results = bookingResults(metrics);
  }

  /**
   * Books a place for walk-ins and checks the person in, in one transaction. Throws `vaccination_session_not_found`,
   * `forbidden`, `own_record`, `registration_not_found`, `walk_ins_full`, `busy` and the reasons of BookableSessionsService.walkInDoseFor.
   */
  create(caller: Caller, sessionId: string, registrationId: string): Promise<VisitDto> {
    return this.results.watch(this.bookAndCheckIn(caller, sessionId, registrationId), { kind: 'walk_in' });
  }

  private async bookAndCheckIn(caller: Caller, sessionId: string, registrationId: string): Promise<VisitDto> {
    const { centre_id } = await this.sessions.get(caller, sessionId);
    await this.staff.assertStaff(caller, centre_id, ...STAFF_ROLES);
    const id = uuidv7();
    await this.changes.run(caller, async (manager) => {
      await this.book(manager, caller, id, sessionId, registrationId);
      const now = this.clock.date();
      await manager.update(Appointment, id, { status: 'checked_in', checked_in_at: now, updated_at: now });
      await this.audit.write(manager, {
        action: 'vaccination_appointment.walked_in',
        ...actorOf(caller),
        subject_id: id,
        details: { registration_id: registrationId, session_id: sessionId },
      });
    });
    return toVisitDto(await this.checkIns.get(id));
  }

  private async book(
    manager: EntityManager,
    caller: Caller,
    id: string,
    sessionId: string,
    registration_id: string,
  ): Promise<void> {
    const { user_id } = await lockPerson(manager, { registration_id });
    if (user_id === null) throw new Problem('registration_not_found'); // the person has left; the doses are kept
    assertNotOwn(caller, { user_id });
    const read = fromManager(manager);
    const person = (await this.people.read([{ registration_id, user_id }], read)).get(registration_id)!;
    const session = (await this.bookable.read([sessionId], read)).get(sessionId);
    const dose = this.bookable.walkInDoseFor(person, session);
    const values = [this.clock.date(), id, registration_id, user_id, sessionId, session!.vaccine.disease, dose];
    const [row] = await manager.query<[{ outcome: string }]>(BOOK_WALK_IN, values);
    if (row.outcome === 'booked') return;
    throw row.outcome === 'full' ? new Problem('walk_ins_full') : toOutcomeProblem(row.outcome);
  }
}
