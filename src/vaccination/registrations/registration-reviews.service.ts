import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, LessThan, Repository } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { KeptRecordsService } from './kept-records.service.js';
import { Registration } from './registration.entity.js';
import { type VaccinationRegistrationDto, type RegistrationsQueryDto, toRegistrationDto } from './registrations.dto.js';

/** Whether a user ($2) works at a centre where the person ($1) has or had an appointment. */
const IS_STAFF_OF_PERSON = `select 1 from vaccination_appointments a
  join vaccination_sessions s on s.id = a.session_id
  join vaccination_centre_staff m on m.centre_id = s.centre_id
  where a.registration_id = $1 and a.status <> 'cancelled' and m.user_id = $2 limit 1`;

/** Reading and deciding about the registrations of other people, by the staff. */
@Injectable()
export class RegistrationReviewsService {
  constructor(
    @InjectRepository(Registration) private readonly registrations: Repository<Registration>,
    private readonly keptRecords: KeptRecordsService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists registrations, newest first, and records each read with its reason. Throws `invalid_cursor`. */
  async list(caller: Caller, query: RegistrationsQueryDto): Promise<Page<VaccinationRegistrationDto>> {
    const before = readCursor(query.cursor, isUuid);
    const rows = await this.registrations.find({
      where: {
        ...(before === undefined ? {} : { id: LessThan(before) }),
        ...(query.status === undefined ? {} : { status: query.status }),
      },
      order: { id: 'DESC' },
      take: query.limit + 1,
    });
    const page = toPage(rows, query.limit, (row) => row.id, toRegistrationDto);
    const ids = page.items.map(({ id }) => id);
    await this.recordReads(this.registrations.manager, caller, ids, query.reason);
    return page;
  }

  /**
   * A registration: the caller's own, or one that concerns the caller as staff, which is recorded with its reason. Throws
   * `registration_not_found`, and `validation_failed` when staff gives no reason.
   */
  async get(caller: Caller, id: string, reason?: string): Promise<Registration> {
    const registration = await this.registrations.findOneBy({ id });
    if (registration?.user_id === caller.id) return registration;
    if (!registration || !(await this.isConcerned(caller, id))) throw new Problem('registration_not_found');
    await this.recordRead(caller, id, reason);
    return registration;
  }

  /**
   * Records that the caller reads a part of a person's record as staff, with the reason. Throws `forbidden` if the person does
   * not concern the caller, and `validation_failed` without a reason.
   */
  async assertConcerned(caller: Caller, id: string, reason?: string): Promise<void> {
    if (!(await this.isConcerned(caller, id))) throw new Problem('forbidden');
    await this.recordRead(caller, id, reason);
  }

  /** Writes to the audit log that the caller reads these people's records. Every read by staff must be recorded. */
  async recordReads(manager: EntityManager, caller: Caller, ids: string[], reason: string): Promise<void> {
    if (ids.length === 0) return;
    const entry = { action: 'registration.viewed' as const, ...actorOf(caller), details: { reason } };
    await this.audit.writeAll(
      manager,
      ids.map((subject_id) => ({ ...entry, subject_id })),
    );
  }

  /**
   * Verifies a pending registration. Doses that were kept of the same person return to it. Throws `registration_not_found`,
   * `registration_decided`, `forbidden`, and `version_conflict` if it is not in the expected version.
   */
  verify(caller: Caller, id: string, expected: number | undefined): Promise<Registration> {
    return this.decide(caller, id, expected, { status: 'verified', rejection_reason: null });
  }

  /** Rejects a pending registration. Throws what `verify` throws. */
  reject(caller: Caller, id: string, expected: number | undefined, reason: string): Promise<Registration> {
    return this.decide(caller, id, expected, { status: 'rejected', rejection_reason: reason });
  }

  private decide(
    caller: Caller,
    id: string,
    expected: number | undefined,
    decision: { status: 'verified' | 'rejected'; rejection_reason: string | null },
  ): Promise<Registration> {
    const now = this.clock.date();
    return this.registrations.manager.transaction(async (manager) => {
      const before = await manager.findOne(Registration, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!before) throw new Problem('registration_not_found');
      if (before.user_id === caller.id) {
        throw new Problem('forbidden', { detail: 'Another member of the staff decides about your own registrations.' });
      }
      if (before.status !== 'pending') throw new Problem('registration_decided');
      if (expected !== undefined && expected !== before.version) throw new Problem('version_conflict');
      const version = before.version + 1;
      const changes = { ...decision, version, decided_by: caller.id, decided_at: now, updated_at: now };
      await manager.update(Registration, id, changes);
      const kept = decision.status === 'verified' ? await this.keptRecords.returnTo(manager, id) : null;
      await this.audit.write(manager, {
        action: `registration.${decision.status}`,
        ...actorOf(caller),
        subject_id: id,
        details: {
          ...(decision.rejection_reason === null ? {} : { reason: decision.rejection_reason }),
          ...(kept === null ? {} : { former_registration_id: kept }),
        },
      });
      return { ...before, ...changes };
    });
  }

  private async recordRead(caller: Caller, id: string, reason: string | undefined): Promise<void> {
    if (reason === undefined) {
      throw validationFailed([{ path: 'reason', message: 'reason is required to read the record of another person' }]);
    }
    await this.recordReads(this.registrations.manager, caller, [id], reason);
  }

  private async isConcerned(caller: Caller, id: string): Promise<boolean> {
    if (caller.permissions.verify_registrations) return true;
    const rows = await this.registrations.query<unknown[]>(IS_STAFF_OF_PERSON, [id, caller.id]);
    return rows.length > 0;
  }
}
