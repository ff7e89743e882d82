import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type FindOptionsWhere, LessThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { type FieldError, Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import type { Dose } from '../doses/dose.entity.js';
import { DosesService } from '../doses/doses.service.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
import { AdverseEvent } from './adverse-event.entity.js';
import {
  type AdverseEventDto,
  type AdverseEventsQueryDto,
  type RecordAdverseEventDto,
  toAdverseEventDto,
} from './adverse-events.dto.js';

const MINUTE_MS = 60_000;

/** What happened to people after their doses. */
@Injectable()
export class AdverseEventsService {
  constructor(
    @InjectRepository(AdverseEvent) private readonly events: Repository<AdverseEvent>,
    private readonly doses: DosesService,
    private readonly staff: CentreStaffService,
    private readonly reviews: RegistrationReviewsService,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Records an event after a completed dose. Throws `dose_not_found`, `forbidden`, `dose_in_error`, `adverse_event_recorded`,
   * `validation_failed`.
   */
  async record(caller: Caller, dto: RecordAdverseEventDto): Promise<AdverseEvent> {
    const dose = await this.doses.get(dto.dose_id);
    await this.staff.assertRole(caller, dose.centre_id, ...STAFF_ROLES);
    if (dose.status !== 'completed') throw new Problem('dose_in_error');
    this.assertPlausible(dto, dose);
    const id = uuidv7();
    const { centre_id, registration_id } = dose;
    const fixed = { id, centre_id, status: 'recorded' as const, recorded_by: caller.id, created_at: this.clock.date() };
    await this.events.manager.transaction(async (manager) => {
      await this.users.lockCaller(manager, caller);
      await manager.insert(AdverseEvent, { description: null, ...dto, ...fixed });
      await this.audit.write(manager, {
        action: 'adverse_event.recorded',
        ...actorOf(caller),
        subject_id: id,
        details: { registration_id, dose_id: dose.id, code: dto.code, is_serious: dto.is_serious },
      });
    });
    return this.get(id);
  }

  /**
   * Events after one dose, for the person and the staff concerned, or after all doses of a centre, for its staff in person;
   * newest first, also wrong records. Records that staff reads them, for each person. Throws `dose_not_found`, `forbidden`,
   * `invalid_cursor`, and `validation_failed` unless one of the two is named, and when staff gives no reason.
   */
  async list(caller: Caller, query: AdverseEventsQueryDto): Promise<Page<AdverseEventDto>> {
    const { dose_id, centre_id, reason } = query;
    if ((dose_id === undefined) === (centre_id === undefined)) {
      throw validationFailed([{ path: 'dose_id', message: 'send either dose_id or centre_id' }]);
    }
    if (dose_id !== undefined) {
      await this.doses.getVisible(caller, dose_id, reason);
      return (await this.find({ dose_id }, query)).page;
    }
    await this.staff.assertStaff(caller, centre_id!, ...STAFF_ROLES);
    if (reason === undefined) {
      throw validationFailed([{ path: 'reason', message: 'reason is required to read the records of other people' }]);
    }
    const { page, people } = await this.find({ centre_id: centre_id! }, query);
    await this.reviews.recordReads(this.events.manager, caller, people, reason);
    return page;
  }

  /** Marks a record as wrong. Throws `adverse_event_not_found`, `forbidden`, `adverse_event_in_error`. */
  async enterInError(caller: Caller, id: string, reason: string): Promise<AdverseEvent> {
    const { centre_id, dose_id } = await this.get(id);
    await this.staff.assertRole(caller, centre_id, ...STAFF_ROLES);
    await this.events.manager.transaction(async (manager) => {
      const error = { status: 'entered_in_error' as const, error_at: this.clock.date(), error_reason: reason };
      const { affected } = await manager.update(AdverseEvent, { id, status: 'recorded' }, error);
      if (affected === 0) throw new Problem('adverse_event_in_error');
      await this.audit.write(manager, {
        action: 'adverse_event.entered_in_error',
        ...actorOf(caller),
        subject_id: id,
        details: { dose_id, reason },
      });
    });
    return this.get(id);
  }

  private async get(id: string): Promise<AdverseEvent> {
    const event = await this.events.findOneBy({ id });
    if (!event) throw new Problem('adverse_event_not_found');
    return event;
  }

  /** A page, and the registrations of the people on it. */
  private async find(
    where: FindOptionsWhere<AdverseEvent>,
    { limit, cursor }: AdverseEventsQueryDto,
  ): Promise<{ page: Page<AdverseEventDto>; people: string[] }> {
    const before = readCursor(cursor, isUuid);
    const rows = await this.events.find({
      where: { ...where, ...(before === undefined ? {} : { id: LessThan(before) }) },
      relations: { dose: true },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    const page = toPage(rows, limit, (row) => row.id, toAdverseEventDto);
    return { page, people: [...new Set(rows.slice(0, limit).map(({ dose }) => dose.registration_id))] };
  }

  private assertPlausible({ code, onset_at, description }: RecordAdverseEventDto, { given_at }: Dose): void {
    const errors: FieldError[] = [];
    const givenMinute = Math.floor(given_at.getTime() / MINUTE_MS) * MINUTE_MS; // onset_at has no seconds
    if (onset_at > this.clock.date() || onset_at.getTime() < givenMinute) {
      errors.push({ path: 'onset_at', message: 'onset_at must not be before the dose, and not in the future' });
    }
    if (code === 'other' && !description) {
      errors.push({ path: 'description', message: 'description is required for the code other' });
    }
    if (errors.length > 0) throw validationFailed(errors);
  }
}
