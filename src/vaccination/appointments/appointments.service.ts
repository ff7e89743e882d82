import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { Registration } from '../registrations/registration.entity.js';
import { VaccinationSession } from '../sessions/vaccination-session.entity.js';
import { Appointment } from './appointment.entity.js';
import { BookableSessionsService } from './bookable-sessions.service.js';

const MAX_MOVES = 3;
const MAX_LISTED = 200;

/** Appointments of the people of an account: reading, moving and cancelling. BookingsService books them. */
@Injectable()
export class AppointmentsService {
  constructor(
    @InjectRepository(Appointment) private readonly appointments: Repository<Appointment>,
    private readonly sessions: BookableSessionsService,
    private readonly people: PeopleService,
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
    const isMoved = await this.appointments.manager.transaction(async (manager) => {
      await lock(manager, registration_id, [from, sessionId]);
      const appointment = await this.getChangeable(manager, id, from);
      if (appointment.moves >= MAX_MOVES) throw new Problem('too_many_moves');
      const read = fromManager(manager);
      const person = (await this.people.read([{ registration_id, user_id: caller.id }], read)).get(registration_id);
      if (!person) throw new Problem('appointment_not_found');
      const target = (await this.sessions.read([sessionId], read)).get(sessionId);
      const others = person.booked.filter((disease) => disease !== appointment.disease);
      const dose = this.sessions.doseFor({ ...person, booked: others }, target);
      if (target!.vaccine.disease !== appointment.disease) throw new Problem('wrong_vaccine');
      if (target!.available <= 0 || target!.has_waitlist) return false;
      const changes = { session_id: sessionId, dose, moves: appointment.moves + 1, updated_at: this.clock.date() };
      await manager.update(Appointment, id, changes);
      return true;
    });
    if (!isMoved) throw await this.sessions.fullProblem(sessionId);
    return this.getOwn(caller, id);
  }

  /** Cancels an appointment. Throws `appointment_not_found`, `appointment_not_changeable`, `too_late_to_change`. */
  async cancel(caller: Caller, id: string): Promise<void> {
    const { session_id, registration_id } = await this.getOwn(caller, id);
    await this.appointments.manager.transaction(async (manager) => {
      await lock(manager, registration_id, [session_id]);
      await this.getChangeable(manager, id, session_id);
      const now = this.clock.date();
      await manager.update(Appointment, id, { status: 'cancelled', cancelled_at: now, updated_at: now });
    });
  }

  /** The appointment, if it is booked for this session and the cut-off has not passed. */
  private async getChangeable(manager: EntityManager, id: string, sessionId: string): Promise<Appointment> {
    const appointment = await manager.findOneOrFail(Appointment, { where: { id }, relations: { session: true } });
    const isChanged = appointment.session_id !== sessionId; // moved by a concurrent request, before the locks
    if (appointment.status !== 'booked' || isChanged) throw new Problem('appointment_not_changeable');
    const changeable_until = new Date(
      appointment.session.starts_at.getTime() - this.config.BOOKING_CUTOFF_MINUTES * 60_000,
    );
    if (this.clock.date() < changeable_until) return appointment;
    throw new Problem('too_late_to_change', { members: { changeable_until } });
  }
}

/** In the order of all changes of appointments: the registration, then the sessions by id. */
async function lock(manager: EntityManager, registrationId: string, sessionIds: string[]): Promise<void> {
  const mode = { lock: { mode: 'for_no_key_update' }, select: { id: true }, order: { id: 'ASC' } } as const;
  await manager.find(Registration, { where: { id: registrationId }, ...mode });
  await manager.find(VaccinationSession, { where: { id: In(sessionIds) }, ...mode });
}
