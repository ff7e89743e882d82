import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import type { Person } from '../eligibility/eligibility.js';
import { ineligible } from '../eligibility/ineligible.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { AppointmentChangesService } from './appointment-changes.service.js';
import { Appointment } from './appointment.entity.js';
import { type BookableSession, BookableSessionsService, isFull } from './bookable-sessions.service.js';
import { lockPerson } from './lock-person.js';
import { lockSessions } from './lock-sessions.js';
import { type OwnAppointment, OwnAppointmentsService } from './own-appointments.service.js';

const MAX_MOVES = 3;
const OTHER_SESSION = 'session_id must be another session';

/** Moves appointment $1 to session $2 as dose $3 at the time $4. No row: it is not booked any more. */
const MOVE = `update vaccination_appointments set session_id = $2, dose = $3, moves = moves + 1, updated_at = $4
  where id = $1 and status = 'booked' returning id`;

/** Cancels appointment $1 of session $2 at the time $3. No row: it is not booked any more. */
const CANCEL = `with locked as materialized (select id from vaccination_sessions where id = $2 for no key update)
  update vaccination_appointments a set status = 'cancelled', cancelled_at = $3, updated_at = $3
  from locked s where a.id = $1 and a.session_id = s.id and a.status = 'booked' returning a.id`;

/** Moves and cancels appointments of the people of an account. BookingsService books them, OwnAppointmentsService reads them. */
@Injectable()
export class AppointmentsService {
  constructor(
    private readonly own: OwnAppointmentsService,
    private readonly sessions: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly changes: AppointmentChangesService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /**
   * Moves an appointment to another session; the old place is kept unless the new one is taken. Throws
   * `appointment_not_found`, `appointment_not_changeable`, `too_late_to_change`, `too_many_moves`, `session_full` and the
   * reasons of BookableSessionsService.doseFor.
   */
  async move(caller: Caller, id: string, sessionId: string): Promise<OwnAppointment> {
    const { registration_id } = await this.own.get(caller, id);
    const key = { registration_id, user_id: caller.id };
    const full = await this.changes.run(caller, async (manager) => {
      await lockPerson(manager, key);
      const appointment = await this.getChangeable(manager, id);
      const { session_id: from, disease, moves } = appointment;
      if (from === sessionId) throw validationFailed([{ path: 'session_id', message: OTHER_SESSION }]);
      if (moves >= MAX_MOVES) throw new Problem('too_many_moves');
      const person = (await this.people.read([key], fromManager(manager))).get(registration_id)!;
      const mover = { ...person, booked: person.booked.filter((each) => each !== disease) };
      const before = await this.readTarget(manager, sessionId, mover, disease);
      if (isFull(before.target)) return { target: before.target, mover }; // without a lock: many may be refused at once
      await lockSessions(manager, [from, sessionId]);
      const { target, dose } = await this.readTarget(manager, sessionId, mover, disease);
      if (isFull(target)) return { target, mover };
      const moved = await returningRows(manager, MOVE, [id, sessionId, dose, this.clock.date()]);
      if (moved.length === 0) throw new Problem('appointment_not_changeable');
      return undefined;
    });
    if (full) throw await this.sessions.fullProblem(full.target, full.mover);
    return this.own.get(caller, id);
  }

  /** The session to which a person moves an appointment against a disease, and the dose that the person gets there. */
  private async readTarget(
    manager: EntityManager,
    id: string,
    mover: Person,
    disease: string,
  ): Promise<{ target: BookableSession; dose: number }> {
    const target = (await this.sessions.read([id], fromManager(manager))).get(id);
    const dose = this.sessions.doseFor(mover, target);
    if (target!.vaccine.disease !== disease)
      throw ineligible(['wrong_vaccine'], { next_dose: dose, earliest_day: null });
    return { target: target!, dose };
  }

  /** Cancels an appointment. Throws `appointment_not_found`, `appointment_not_changeable`, `too_late_to_change`. */
  async cancel(caller: Caller, id: string): Promise<void> {
    const { registration_id } = await this.own.get(caller, id);
    await this.changes.run(caller, async (manager) => {
      await lockPerson(manager, { registration_id, user_id: caller.id });
      const { session_id } = await this.getChangeable(manager, id);
      const cancelled = await returningRows(manager, CANCEL, [id, session_id, this.clock.date()]);
      if (cancelled.length === 0) throw new Problem('appointment_not_changeable');
    });
  }

  /** The appointment, if it is booked and the cut-off has not passed. While the person is locked, no other request moves it. */
  private async getChangeable(manager: EntityManager, id: string): Promise<Appointment> {
    const appointment = await findUnique(manager.getRepository(Appointment), {
      where: { id },
      relations: { session: true },
    });
    if (appointment?.status !== 'booked') throw new Problem('appointment_not_changeable');
    const { starts_at } = appointment.session;
    const changeable_until = new Date(starts_at.getTime() - this.config.BOOKING_CUTOFF_MINUTES * 60_000);
    if (this.clock.date() < changeable_until) return appointment;
    throw new Problem('too_late_to_change', { members: { changeable_until } });
  }
}
