import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { returningRows } from '../../database/returning.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { AppointmentChangesService } from './appointment-changes.service.js';
import { Appointment } from './appointment.entity.js';
import { BookableSessionsService, isFull } from './bookable-sessions.service.js';
import { lockPerson } from './lock-person.js';

const MAX_MOVES = 3;
const MAX_LISTED = 200;

/**
 * Moves appointment $1 from session $2 to $3 as dose $4 at the time $5. Locks both sessions in the order of their ids, and for
 * as short as possible: others wait for the same rows. No row: the new session is full or not open, or the appointment is not
 * booked any more.
 */
const MOVE = `with locked as materialized (
    select id, status, booked, capacity from vaccination_sessions where id in ($2, $3) order by id for no key update
  )
  update vaccination_appointments a set session_id = $3, dose = $4, moves = a.moves + 1, updated_at = $5
  where a.id = $1 and a.session_id = $2 and a.status = 'booked'
    and (select count(*) from locked) = 2
    and exists (select from locked where id = $3 and status = 'open' and booked < capacity)
  returning a.id`;

/** Cancels appointment $1 of session $2 at the time $3. No row: it is not booked any more. */
const CANCEL = `with locked as materialized (select id from vaccination_sessions where id = $2 for no key update)
  update vaccination_appointments a set status = 'cancelled', cancelled_at = $3, updated_at = $3
  from locked s where a.id = $1 and a.session_id = s.id and a.status = 'booked' returning a.id`;

/** Appointments of the people of an account: reading, moving and cancelling. BookingsService books them. */
@Injectable()
export class AppointmentsService {
  constructor(
    @InjectRepository(Appointment) private readonly appointments: Repository<Appointment>,
    private readonly sessions: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly changes: AppointmentChangesService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** The newest appointments of the people of an account, at most 200. */
  listOwn(caller: Caller): Promise<Appointment[]> {
    return this.appointments.find({
      where: { registration: { user_id: caller.id } },
      relations: { session: { centre: true, vaccine: true } },
      order: { id: 'DESC' },
      take: MAX_LISTED,
    });
  }

  /** An appointment of a person of the caller's account. Throws `appointment_not_found`. */
  async getOwn(caller: Caller, id: string): Promise<Appointment> {
    const appointment = await this.appointments.findOne({
      where: { id, registration: { user_id: caller.id } },
      relations: { session: { centre: true, vaccine: true } },
    });
    if (!appointment) throw new Problem('appointment_not_found');
    return appointment;
  }

  /**
   * Moves an appointment to another session; the old place is kept unless the new one is taken. Throws
   * `appointment_not_found`, `appointment_not_changeable`, `too_late_to_change`, `too_many_moves`, `session_full` and the
   * reasons of BookableSessionsService.doseFor.
   */
  async move(caller: Caller, id: string, sessionId: string): Promise<Appointment> {
    const { session_id: from, registration_id } = await this.getOwn(caller, id);
    if (from === sessionId)
      throw validationFailed([{ path: 'session_id', message: 'session_id must be another session' }]);
    const isMoved = await this.changes.run(caller, async (manager) => {
      await lockPerson(manager, { registration_id, user_id: caller.id });
      const appointment = await this.getChangeable(manager, id);
      if (appointment.moves >= MAX_MOVES) throw new Problem('too_many_moves');
      const read = fromManager(manager);
      const person = (await this.people.read([{ registration_id, user_id: caller.id }], read)).get(registration_id)!;
      const target = (await this.sessions.read([sessionId], read)).get(sessionId);
      const others = person.booked.filter((disease) => disease !== appointment.disease);
      const dose = this.sessions.doseFor({ ...person, booked: others }, target);
      if (target!.vaccine.disease !== appointment.disease) throw new Problem('wrong_vaccine');
      if (isFull(target!)) return false;
      const values = [id, appointment.session_id, sessionId, dose, this.clock.date()];
      return (await returningRows(manager, MOVE, values)).length > 0;
    });
    if (!isMoved) throw await this.sessions.fullProblem(sessionId);
    return this.getOwn(caller, id);
  }

  /** Cancels an appointment. Throws `appointment_not_found`, `appointment_not_changeable`, `too_late_to_change`. */
  async cancel(caller: Caller, id: string): Promise<void> {
    const { registration_id } = await this.getOwn(caller, id);
    await this.changes.run(caller, async (manager) => {
      await lockPerson(manager, { registration_id, user_id: caller.id });
      const { session_id } = await this.getChangeable(manager, id);
      const cancelled = await returningRows(manager, CANCEL, [id, session_id, this.clock.date()]);
      if (cancelled.length === 0) throw new Problem('appointment_not_changeable');
    });
  }

  /** The appointment, if it is booked and the cut-off has not passed. While the person is locked, no other request moves it. */
  private async getChangeable(manager: EntityManager, id: string): Promise<Appointment> {
    const appointment = await manager.findOneOrFail(Appointment, { where: { id }, relations: { session: true } });
    if (appointment.status !== 'booked') throw new Problem('appointment_not_changeable');
    const { starts_at } = appointment.session;
    const changeable_until = new Date(starts_at.getTime() - this.config.BOOKING_CUTOFF_MINUTES * 60_000);
    if (this.clock.date() < changeable_until) return appointment;
    throw new Problem('too_late_to_change', { members: { changeable_until } });
  }
}
