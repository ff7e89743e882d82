import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { AppointmentChangesService } from '../appointments/appointment-changes.service.js';
import { BookableSessionsService } from '../appointments/bookable-sessions.service.js';
import { lockPerson } from '../appointments/lock-person.js';
import { lockSessions } from '../appointments/lock-sessions.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { VaccinationSessionsService } from '../sessions/vaccination-sessions.service.js';
import type { WaitlistDto, WaitlistEntryDto } from './waitlist.dto.js';
import { WaitlistEntry } from './waitlist-entry.entity.js';

/** A person can wait for so many sessions. */
const MAX_WAITLISTS = 5;

/** Adds person $2 to session $1, which is locked. No row: the session has places, or is not open any more. */
const APPEND = `insert into vaccination_waitlist_entries (session_id, registration_id, created_at)
  select s.id, $2, $3 from vaccination_sessions s
  where s.id = $1 and s.status = 'open' and (s.booked >= s.capacity or exists (
    select from vaccination_waitlist_entries w where w.session_id = s.id
  ))
  returning id`;

/** $1 session, $2 user. */
const LIST_OWN = `select w.registration_id, w.created_at, (
    select count(*)::int from vaccination_waitlist_entries o where o.session_id = w.session_id and o.id <= w.id
  ) as position
  from vaccination_waitlist_entries w join vaccination_registrations r on r.id = w.registration_id
  where w.session_id = $1 and r.user_id = $2 order by w.id`;

/** The people who wait for a place of a full session, in the order in which they joined. */
@Injectable()
export class WaitlistService {
  constructor(
    @InjectRepository(WaitlistEntry) private readonly entries: Repository<WaitlistEntry>,
    private readonly sessions: VaccinationSessionsService,
    private readonly bookable: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly changes: AppointmentChangesService,
    private readonly clock: Clock,
  ) {}

  /** The people of the caller's account who wait, with their positions. Throws `vaccination_session_not_found`. */
  async list(caller: Caller, sessionId: string): Promise<WaitlistDto> {
    await this.sessions.get(caller, sessionId);
    const items = await this.entries.query<WaitlistEntryDto[]>(LIST_OWN, [sessionId, caller.id]);
    return { items, length: await this.entries.countBy({ session_id: sessionId }) };
  }

  /**
   * Adds a person of the caller's account, who must be able to book the session if it had a place. Throws
   * `registration_not_found`, `session_not_full`, `already_waiting`, `too_many_waitlists` and the refusals of a booking.
   */
  async join(caller: Caller, sessionId: string, registrationId: string): Promise<WaitlistEntryDto> {
    const key = { registration_id: registrationId, user_id: caller.id };
    return this.changes.run(caller, async (manager) => {
      await lockPerson(manager, key);
      const read = fromManager(manager);
      const person = (await this.people.read([key], read)).get(registrationId)!;
      const session = (await this.bookable.read([sessionId], read)).get(sessionId);
      this.bookable.doseFor(person, session);
      // From its start on, nobody is promoted.
      if (session!.starts_at <= this.clock.date()) throw new Problem('session_closed');
      const own = await manager.findBy(WaitlistEntry, { registration_id: registrationId });
      if (own.some(({ session_id }) => session_id === sessionId)) throw new Problem('already_waiting');
      if (own.length >= MAX_WAITLISTS) throw new Problem('too_many_waitlists');
      return this.append(manager, sessionId, registrationId);
    });
  }

  /** Removes a person of the caller's account. Throws `registration_not_found`, `waitlist_entry_not_found`. */
  async leave(caller: Caller, sessionId: string, registrationId: string): Promise<void> {
    const key = { registration_id: registrationId, user_id: caller.id };
    await this.changes.run(caller, async (manager) => {
      await lockPerson(manager, key); // a concurrent promotion is over, or sees that the person left
      const entry = { session_id: sessionId, registration_id: registrationId };
      const { affected } = await manager.delete(WaitlistEntry, entry);
      if (affected === 0) throw new Problem('waitlist_entry_not_found');
    });
  }

  /** Until the commit, the locked session gets no other entries: the new one is the last. */
  private async append(manager: EntityManager, session_id: string, registration_id: string): Promise<WaitlistEntryDto> {
    const created_at = this.clock.date();
    await lockSessions(manager, [session_id]);
    const rows = await returningRows(manager, APPEND, [session_id, registration_id, created_at]);
    if (rows.length === 0) throw new Problem('session_not_full');
    return { registration_id, position: await manager.countBy(WaitlistEntry, { session_id }), created_at };
  }
}
