import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { ResultCounter } from '../../http/metrics/result-counter.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { isUnavailable, Problem, unavailable } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import type { Caller } from '../../users/caller.js';
import type { IneligibilityReason, Person } from '../eligibility/eligibility.js';
import { ineligible } from '../eligibility/ineligible.js';
import { PeopleService } from '../eligibility/people.service.js';
import { fromPool, type ReadRows } from '../read-rows.js';
import type { CreateAppointmentDto } from './appointments.dto.js';
import { type BookableSession, BookableSessionsService, isFull } from './bookable-sessions.service.js';

const MAX_BATCH = 500;
const MAX_WAITING = 20_000;

/** Defined in the migration of bookings; see docs/decisions/booking.md. */
const BOOK = {
  name: 'vaccination-book',
  text: `select n, outcome, stored_id from book_appointments('booking', $1, $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
    $6::text[], $7::smallint[], $8::bytea[], $9::bytea[])`,
};

/** The requests that booked a place earlier. $1 keys. */
const FIND_REQUESTS = {
  name: 'vaccination-booking-requests',
  text: `select key, hash, appointment_id from vaccination_booking_requests where key = any ($1::bytea[])`,
};

type BookingResults = ResultCounter<'kind'>;

/** Counts bookings by kind and result. */
export const bookingResults = (metrics: MetricsService): BookingResults =>
  new ResultCounter(metrics, 'machi_bookings_total', 'Bookings of places by kind and result.', ['kind']);

const OUTCOMES: Record<string, ProblemCode> = {
  key_reused: 'idempotency_key_reused',
  unknown: 'registration_not_found',
  draft: 'vaccination_session_not_found',
  closed: 'session_closed',
  cancelled: 'session_cancelled',
};

/** What has changed about the person since it was read. */
const CHANGES: Record<string, IneligibilityReason> = {
  not_verified: 'registration_not_verified',
  already_booked: 'already_booked',
  given: 'dose_out_of_order',
};

/** What an outcome of book_appointments means, but for `booked`, `repeated` and `full`. */
export function toOutcomeProblem(outcome: string): Problem {
  const reason = CHANGES[outcome];
  if (reason !== undefined) return ineligible([reason], { next_dose: null, earliest_day: null });
  return new Problem(OUTCOMES[outcome] ?? 'busy');
}

interface Outcome {
  n: string;
  outcome: string;
  stored_id: string | null;
}

interface StoredRequest {
  key: Buffer;
  hash: Buffer;
  appointment_id: string;
}

interface Waiting {
  id: string;
  registration_id: string;
  user_id: string;
  session_id: string;
  /** The hashes of the Idempotency-Key and of the body; null without a key. */
  key: Buffer | null;
  hash: Buffer | null;
  resolve: (appointmentId: string) => void;
  reject: (error: unknown) => void;
}

interface Candidate extends Waiting {
  person: Person;
  session: BookableSession;
  dose: number;
  disease: string;
}

/**
 * Books places. Bookings that arrive while a batch is written form the next batch, so throughput grows with the load and
 * a single booking waits for nothing. See docs/decisions/booking.md.
 */
@Injectable()
export class BookingsService {
  private waiting: Waiting[] = [];
  private isRunning = false;
  private readonly query: ReadRows;
  private readonly results: BookingResults;

  constructor(
    @Inject(POOL) pool: Pool,
    private readonly sessions: BookableSessionsService,
    private readonly people: PeopleService,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    this.query = fromPool(pool);
    this.results = bookingResults(metrics);
    metrics.gauge('machi_bookings_waiting', 'Bookings that wait for the batch before them.', () => this.waiting.length);
  }

  /**
   * Books a place for a person of the caller's account and returns the id of the appointment. `key` is the
   * Idempotency-Key: the same request gets the same appointment for a day. Throws `registration_not_found`,
   * `vaccination_session_not_found`, `idempotency_key_reused`, `session_full`, the reasons of `doseFor`, and `busy` when too
   * many requests wait.
   */
  book(caller: Caller, request: CreateAppointmentDto, key?: string): Promise<string> {
    const id = uuidv7();
    const booked = this.enqueue(id, caller, request, key);
    return this.results.watch(booked, { kind: 'booking' }, (bookedId) => (bookedId === id ? 'ok' : 'repeated'));
  }

  private async enqueue(
    id: string,
    caller: Caller,
    { registration_id, session_id }: CreateAppointmentDto,
    key?: string,
  ): Promise<string> {
    if (this.waiting.length >= MAX_WAITING) throw unavailable('busy');
    const hashes =
      key === undefined
        ? { key: null, hash: null }
        : { key: sha256(caller.id, key), hash: sha256(registration_id, session_id) };
    return new Promise((resolve, reject) => {
      this.waiting.push({
        id,
        registration_id,
        user_id: caller.id,
        session_id,
        ...hashes,
        resolve,
        reject,
      });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.waiting.length > 0) {
      const batch = this.takeBatch();
      try {
        await this.bookBatch(batch);
      } catch (error) {
        await this.bookHalves(batch, error);
      }
    }
    this.isRunning = false;
  }

  /** The requests that waited longest, at most one per person and key: a second one must see what the first one did. */
  private takeBatch(): Waiting[] {
    const taken = new Set<string>();
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    for (const request of this.waiting) {
      const names = [request.registration_id, ...(request.key ? [request.key.toString('hex')] : [])];
      if (batch.length === MAX_BATCH || names.some((name) => taken.has(name))) {
        rest.push(request);
        continue;
      }
      batch.push(request);
      for (const name of names) taken.add(name);
    }
    this.waiting = rest;
    return batch;
  }

  /** One request that the database refuses must not fail the others of its batch. If it is unavailable, all fail. */
  private async bookHalves(batch: Waiting[], error: unknown): Promise<void> {
    const problem = mapToProblem(error);
    if (batch.length === 1 || isUnavailable(problem.code)) {
      for (const { reject } of batch) reject(problem);
      return;
    }
    const middle = batch.length >> 1;
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      await this.bookBatch(half).catch((reason) => this.bookHalves(half, reason));
    }
  }

  private async bookBatch(batch: Waiting[]): Promise<void> {
    const [sessions, people] = await Promise.all([
      this.sessions.read(batch.map(({ session_id }) => session_id)),
      this.people.read(batch),
    ]);
    const candidates: Candidate[] = [];
    const refused: [Waiting, unknown][] = [];
    for (const request of batch) {
      try {
        const person = people.get(request.registration_id);
        if (!person) throw new Problem('registration_not_found');
        const session = sessions.get(request.session_id);
        const dose = this.sessions.doseFor(person, session);
        if (isFull(session!)) throw await this.sessions.fullProblem(session!, person);
        candidates.push({ ...request, person, session: session!, dose, disease: session!.vaccine.disease });
      } catch (error) {
        refused.push([request, error]);
      }
    }
    await this.refuse(refused);
    if (candidates.length > 0) await this.write(candidates);
  }

  private async write(candidates: Candidate[]): Promise<void> {
    const outcomes = await this.query<Outcome>(BOOK, [
      this.clock.date(),
      candidates.map(({ id }) => id),
      candidates.map(({ registration_id }) => registration_id),
      candidates.map(({ user_id }) => user_id),
      candidates.map(({ session_id }) => session_id),
      candidates.map(({ disease }) => disease),
      candidates.map(({ dose }) => dose),
      candidates.map(({ key }) => key),
      candidates.map(({ hash }) => hash),
    ]);
    for (const { n, outcome, stored_id } of outcomes) {
      const request = candidates[Number(n) - 1]!;
      if (outcome === 'booked') request.resolve(request.id);
      else if (outcome === 'repeated') request.resolve(stored_id!);
      else if (outcome === 'full') await this.refuseFull(request);
      else request.reject(toOutcomeProblem(outcome));
    }
  }

  /** A failure to find alternatives concerns this request only: others of the batch have booked. */
  private async refuseFull({ session, person, reject }: Candidate): Promise<void> {
    await this.sessions.fullProblem(session, person).then(reject, reject);
  }

  /** Earlier requests with the same keys may have booked: then a refusal would be a wrong answer. */
  private async refuse(refused: [Waiting, unknown][]): Promise<void> {
    const keys = refused.flatMap(([{ key }]) => (key ? [key] : []));
    const found = keys.length === 0 ? [] : await this.query<StoredRequest>(FIND_REQUESTS, [keys]);
    const stored = new Map(found.map((row) => [row.key.toString('hex'), row]));
    for (const [{ key, hash, resolve, reject }, error] of refused) {
      const earlier = key && stored.get(key.toString('hex'));
      if (!earlier) reject(error);
      else if (earlier.hash.equals(hash!)) resolve(earlier.appointment_id);
      else reject(new Problem('idempotency_key_reused'));
    }
  }
}

const sha256 = (...parts: string[]): Buffer => createHash('sha256').update(JSON.stringify(parts)).digest();
