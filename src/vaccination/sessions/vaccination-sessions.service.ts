import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { AuditAction } from '../../audit/audit.actions.js';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { CentresService } from '../centres/centres.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import type { Vaccine } from '../vaccines/vaccine.entity.js';
import { VaccinesService } from '../vaccines/vaccines.service.js';
import { type OccurrencesPattern, occurrencesOf } from './recurrence.js';
import type {
  CreateRecurringVaccinationSessionsDto,
  CreateVaccinationSessionDto,
  UpdateVaccinationSessionDto,
} from './vaccination-sessions.dto.js';
import { MAX_SESSION_HOURS, type SessionStatus, VaccinationSession } from './vaccination-session.entity.js';

/** The planned fields of a session. */
export type Plan = Pick<
  VaccinationSession,
  'vaccine_id' | 'dose' | 'starts_at' | 'ends_at' | 'opens_at' | 'capacity' | 'walk_in_capacity'
>;

const HOUR_MS = 3_600_000;

/** The sessions of the centres: planning, opening, closing and cancelling them. */
@Injectable()
export class VaccinationSessionsService {
  constructor(
    @InjectRepository(VaccinationSession) private readonly sessions: Repository<VaccinationSession>,
    private readonly centres: CentresService,
    private readonly vaccines: VaccinesService,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** A session with its centre and vaccine; a draft only for the staff of its centre. Throws `vaccination_session_not_found`. */
  async get(caller: Caller, id: string): Promise<VaccinationSession> {
    const session = await this.getById(id);
    const isVisible =
      session.status !== 'draft' || (await this.staff.hasRole(caller, session.centre_id, [...STAFF_ROLES]));
    if (!isVisible) throw new Problem('vaccination_session_not_found');
    return session;
  }

  /** Creates a draft. Throws `forbidden`, `centre_not_found`, `vaccine_not_found`, `validation_failed`. */
  async create(caller: Caller, { centre_id, ...dto }: CreateVaccinationSessionDto): Promise<VaccinationSession> {
    await this.centres.get(centre_id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    const plan = { dose: null, walk_in_capacity: 0, ...dto };
    assertConsistent(plan, await this.vaccines.get(dto.vaccine_id));
    const [session] = await this.insert(caller, centre_id, [plan]);
    return this.getById(session!);
  }

  /** Creates drafts by a weekly pattern, all or none. Throws as `create` does. */
  async createRecurring(caller: Caller, dto: CreateRecurringVaccinationSessionsDto): Promise<VaccinationSession[]> {
    const { centre_id, vaccine_id, dose = null, capacity, walk_in_capacity = 0 } = dto;
    const centre = await this.centres.get(centre_id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    const vaccine = await this.vaccines.get(vaccine_id);
    const plans = occurrencesOf(dto satisfies OccurrencesPattern, centre.time_zone).map((times) => {
      const plan = { vaccine_id, dose, capacity, walk_in_capacity, ...times };
      assertConsistent(plan, vaccine);
      return plan;
    });
    const ids = await this.insert(caller, centre_id, plans);
    return this.sessions.find({
      where: { id: In(ids) },
      relations: { centre: true, vaccine: true },
      order: { starts_at: 'ASC', id: 'ASC' },
    });
  }

  /**
   * Changes a draft, or the capacities of an open session. Throws `vaccination_session_not_found`, `forbidden`,
   * `session_not_changeable`, `capacity_below_bookings`, `vaccine_not_found`, `validation_failed`.
   */
  async update(caller: Caller, id: string, dto: UpdateVaccinationSessionDto): Promise<VaccinationSession> {
    await this.change(caller, id, 'vaccination_session.changed', { ...dto }, async (session, manager) => {
      const isOpen = session.status === 'open';
      const other = Object.keys(dto).filter((name) => name !== 'capacity' && name !== 'walk_in_capacity');
      if (session.status !== 'draft' && !(isOpen && other.length === 0)) throw new Problem('session_not_changeable');
      const plan = { ...session, ...dto };
      assertConsistent(plan, await this.vaccines.get(plan.vaccine_id, manager));
      return dto;
    });
    return this.getById(id);
  }

  /** Opens a draft for bookings. Throws `vaccination_session_not_found`, `forbidden`, `session_not_changeable`. */
  async open(caller: Caller, id: string): Promise<VaccinationSession> {
    await this.change(caller, id, 'vaccination_session.opened', {}, async ({ status, ends_at }) => {
      if (status !== 'draft' || ends_at <= this.clock.date()) throw new Problem('session_not_changeable');
      return { status: 'open' };
    });
    return this.getById(id);
  }

  /** Ends the bookings of an open session; appointments stay. Throws as `open` does. */
  async close(caller: Caller, id: string): Promise<VaccinationSession> {
    await this.change(caller, id, 'vaccination_session.closed', {}, async ({ status }) => {
      if (status !== 'open') throw new Problem('session_not_changeable');
      return { status: 'closed' };
    });
    return this.getById(id);
  }

  /**
   * Cancels a session that has not ended. `release` cancels what was planned for it, in the same transaction. Throws
   * `vaccination_session_not_found`, `forbidden`, `session_not_changeable`.
   */
  async cancel(
    caller: Caller,
    id: string,
    reason: string,
    release: (manager: EntityManager) => Promise<void>,
  ): Promise<VaccinationSession> {
    const action = 'vaccination_session.cancelled';
    await this.change(caller, id, action, { reason }, async ({ status, ends_at }, manager) => {
      if (status === 'cancelled' || ends_at <= this.clock.date()) throw new Problem('session_not_changeable');
      await release(manager);
      return { status: 'cancelled', cancellation_reason: reason };
    });
    return this.getById(id);
  }

  /** A session with its centre and vaccine, whoever asks. Throws `vaccination_session_not_found`. */
  private async getById(id: string): Promise<VaccinationSession> {
    const session = await findUnique(this.sessions, { where: { id }, relations: { centre: true, vaccine: true } });
    if (!session) throw new Problem('vaccination_session_not_found');
    return session;
  }

  /** Locks a session of a centre that the caller manages, applies the changes that `decide` returns, and audits them. */
  private async change(
    caller: Caller,
    id: string,
    action: AuditAction,
    details: object,
    decide: (
      session: VaccinationSession,
      manager: EntityManager,
    ) => Promise<Partial<Plan> & { status?: SessionStatus; cancellation_reason?: string }>,
  ): Promise<void> {
    const { centre_id } = await this.get(caller, id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    await this.sessions.manager.transaction(async (manager) => {
      const session = await manager.findOneOrFail(VaccinationSession, {
        where: { id },
        lock: { mode: 'pessimistic_write' },
      });
      await manager.update(VaccinationSession, id, {
        ...(await decide(session, manager)),
        updated_at: this.clock.date(),
      });
      await this.audit.write(manager, { action, ...actorOf(caller), subject_id: id, details });
    });
  }

  /** Returns the ids of the new drafts. */
  private async insert(caller: Caller, centre_id: string, plans: Plan[]): Promise<string[]> {
    const now = this.clock.date();
    const fixed = { centre_id, booked: 0, walk_ins: 0, status: 'draft' as const, cancellation_reason: null };
    const rows = plans.map((plan) => ({ id: uuidv7(), ...fixed, ...plan, created_at: now, updated_at: now }));
    await this.sessions.manager.transaction(async (manager) => {
      await manager.insert(VaccinationSession, rows);
      for (const { id, starts_at, capacity } of rows) {
        await this.audit.write(manager, {
          action: 'vaccination_session.created',
          ...actorOf(caller),
          subject_id: id,
          details: { centre_id, starts_at, capacity },
        });
      }
    });
    return rows.map(({ id }) => id);
  }
}

/** Throws `validation_failed` for a dose that the vaccine does not have, and for times that contradict each other. */
export function assertConsistent({ dose, starts_at, ends_at, opens_at }: Plan, vaccine: Vaccine): void {
  const errors: [isWrong: boolean, path: string, message: string][] = [
    [(dose ?? 1) > vaccine.doses.length, 'dose', `the vaccine has ${vaccine.doses.length} doses`],
    [ends_at <= starts_at, 'ends_at', 'ends_at must be after starts_at'],
    [
      +ends_at - +starts_at > MAX_SESSION_HOURS * HOUR_MS,
      'ends_at',
      `a session lasts at most ${MAX_SESSION_HOURS} hours`,
    ],
    [opens_at > ends_at, 'opens_at', 'opens_at must not be after ends_at'],
  ];
  const wrong = errors.filter(([isWrong]) => isWrong);
  if (wrong.length > 0) throw validationFailed(wrong.map(([, path, message]) => ({ path, message })));
}
