import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { type DataSource, type EntityManager, In } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS } from '../../database/advisory-locks.js';
import { Problem } from '../../http/problems/problem.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { type BookableSession, BookableSessionsService } from '../appointments/bookable-sessions.service.js';
import { bookingResults } from '../appointments/bookings.service.js';
import type { Person } from '../eligibility/eligibility.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromManager } from '../read-rows.js';
import { WaitlistEntry } from './waitlist-entry.entity.js';

/** People who are promoted in one transaction. */
const MAX_BATCH = 100;

/**
 * $1 now. Sessions with free places for which people wait. While the centre is closed or the vaccine inactive, they go on waiting.
 * In random order: one that fails must not keep the others from their turn.
 */
const SESSIONS_TO_FILL = `select s.id from vaccination_sessions s
  where s.status = 'open' and s.booked < s.capacity and s.starts_at > $1
    and exists (select from vaccination_waitlist_entries w where w.session_id = s.id)
    and (select c.status from vaccination_centres c where c.id = s.centre_id) = 'active'
    and (select v.is_active from vaccines v where v.id = s.vaccine_id)
  order by random()`;

const TRY_LOCK = `select pg_try_advisory_xact_lock(${ADVISORY_LOCKS.waitlist}, hashtext($1)) as is_locked`;

/** $1 session, $2 number. Those who have waited longest. */
const NEXT = `select w.id, w.registration_id, r.user_id
  from vaccination_waitlist_entries w join vaccination_registrations r on r.id = w.registration_id
  where w.session_id = $1 order by w.id limit $2`;

/** Defined in the migration of bookings; see docs/decisions/booking.md. */
const PROMOTE = `select n, outcome from book_appointments('promotion', $1, $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
  $6::text[], $7::smallint[], array_fill(null::bytea, array[cardinality($2::uuid[])]),
  array_fill(null::bytea, array[cardinality($2::uuid[])]))`;

interface Waiting {
  id: string;
  registration_id: string;
  user_id: string;
}

interface Candidate extends Waiting {
  appointment_id: string;
  dose: number;
}

/** Outcomes after which a person goes on waiting: the state of the session caused them. */
const STILL_WAITING = ['full', 'draft', 'closed', 'cancelled'];

/** Gives free places to the people who wait for them, in order. Any number of processes may do so at the same time. */
@Injectable()
export class PromotionsService {
  private readonly results;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly sessions: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    this.results = bookingResults(metrics);
  }

  /** Fills all sessions. Returns how many people were promoted. */
  async promoteAll(): Promise<number> {
    let promoted = 0;
    const sessions = await this.dataSource.query<{ id: string }[]>(SESSIONS_TO_FILL, [this.clock.date()]);
    for (const { id } of sessions) {
      let result;
      do {
        result = await this.dataSource.transaction((manager) => this.promoteNext(manager, id));
        promoted += result.promoted;
        this.results.add('ok', { kind: 'promotion' }, result.promoted);
      } while (result.removed > 0);
    }
    return promoted;
  }

  /** Removes the waitlists of sessions that cannot be booked any more. */
  async removeOutdated(): Promise<void> {
    await this.dataSource.query(
      `delete from vaccination_waitlist_entries w using vaccination_sessions s
        where s.id = w.session_id and (s.status <> 'open' or s.starts_at <= $1)`,
      [this.clock.date()],
    );
  }

  /** Promotes as many people as there are places, and removes them and those who cannot come any more from the list. */
  private async promoteNext(manager: EntityManager, sessionId: string): Promise<{ promoted: number; removed: number }> {
    const nothing = { promoted: 0, removed: 0 };
    const [lock] = await manager.query<[{ is_locked: boolean }]>(TRY_LOCK, [sessionId]);
    if (!lock.is_locked) return nothing; // another process fills this session
    const read = fromManager(manager);
    const session = (await this.sessions.read([sessionId], read)).get(sessionId);
    if (session?.status !== 'open' || !session.vaccine.is_active || session.available <= 0) return nothing;
    const next = await manager.query<Waiting[]>(NEXT, [sessionId, Math.min(session.available, MAX_BATCH)]);
    const people = await this.people.read(next, read);
    const candidates = next.flatMap((waiting) =>
      this.toCandidate(waiting, people.get(waiting.registration_id), session),
    );
    const outcomes = await this.book(manager, session, candidates);
    const waiting = candidates.filter((_, i) => STILL_WAITING.includes(outcomes[i]!)).map(({ id }) => id);
    const removed = next.map(({ id }) => id).filter((id) => !waiting.includes(id));
    await manager.delete(WaitlistEntry, { id: In(removed) });
    const promoted = candidates.filter((_, i) => outcomes[i] === 'booked');
    return { promoted: promoted.length, removed: removed.length };
  }

  /** Empty for a person who has booked elsewhere or cannot get the dose any more: the list goes on without them. */
  private toCandidate(waiting: Waiting, person: Person | undefined, session: BookableSession): Candidate[] {
    if (!person) return [];
    try {
      return [{ ...waiting, appointment_id: uuidv7(), dose: this.sessions.doseFor(person, session) }];
    } catch (error) {
      if (error instanceof Problem) return [];
      throw error;
    }
  }

  /** The outcome for each candidate, in their order. */
  private async book(
    manager: EntityManager,
    { id, vaccine }: BookableSession,
    candidates: Candidate[],
  ): Promise<string[]> {
    if (candidates.length === 0) return [];
    const rows = await manager.query<{ n: string; outcome: string }[]>(PROMOTE, [
      this.clock.date(),
      candidates.map(({ appointment_id }) => appointment_id),
      candidates.map(({ registration_id }) => registration_id),
      candidates.map(({ user_id }) => user_id),
      candidates.map(() => id),
      candidates.map(() => vaccine.disease),
      candidates.map(({ dose }) => dose),
    ]);
    const outcomes: string[] = [];
    for (const { n, outcome } of rows) outcomes[Number(n) - 1] = outcome;
    return outcomes;
  }
}
