import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { type EntityManager, type FindOptionsWhere, In, IsNull, MoreThan } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { Dose } from '../doses/dose.entity.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
import { Lot } from './lot.entity.js';
import { type LotRecipientDto, type LotRecipientsQueryDto, toLotRecipientDto } from './lot-recalls.dto.js';
import { LotsService } from './lots.service.js';

/** Recalls lots, and finds the people who got them. */
@Injectable()
export class LotRecallsService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly lots: LotsService,
    private readonly staff: CentreStaffService,
    private readonly reviews: RegistrationReviewsService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Recalls a lot; the database records whom to tell. A dose is taken from the row that this locks, so that each dose is either
   * among those, or refused. A repeated recall changes nothing. Throws `lot_not_found`, `forbidden`.
   */
  async recall(caller: Caller, id: string, recall_reason: string): Promise<Lot> {
    const { centre_id } = await this.lots.get(caller, id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    await this.manager.transaction((manager) => this.recallAll(manager, caller, { id }, recall_reason));
    return this.lots.get(caller, id);
  }

  /**
   * Recalls those of the lots that are not recalled yet, by one statement, so that the database tells each person once. Returns
   * how many.
   */
  async recallAll(
    manager: EntityManager,
    caller: Caller,
    which: FindOptionsWhere<Lot>,
    reason: string,
  ): Promise<number> {
    const lots = await manager.find(Lot, {
      where: { ...which, recalled_at: IsNull() },
      order: { id: 'ASC' },
      lock: { mode: 'for_no_key_update' },
    });
    if (lots.length === 0) return 0;
    const now = this.clock.date();
    const changes = { recalled_at: now, recall_reason: reason, updated_at: now };
    await manager.update(Lot, { id: In(lots.map(({ id }) => id)) }, changes);
    const entry = { action: 'vaccine_lot.recalled' as const, ...actorOf(caller), details: { reason } };
    await this.audit.writeAll(
      manager,
      lots.map(({ id }) => ({ ...entry, subject_id: id })),
    );
    return lots.length;
  }

  /**
   * The completed doses of a recalled lot with the people who got them, in the order in which they were recorded. Throws
   * `lot_not_found`, `forbidden`, `lot_not_recalled`, `invalid_cursor`.
   */
  async listRecipients(caller: Caller, id: string, query: LotRecipientsQueryDto): Promise<Page<LotRecipientDto>> {
    const { centre_id, recalled_at } = await this.lots.get(caller, id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    if (!recalled_at) throw new Problem('lot_not_recalled');
    return this.readRecipients(caller, { lot_id: id }, query);
  }

  /** A page of completed doses with the people who got them. Each person's record is read with the reason. Throws `invalid_cursor`. */
  async readRecipients(
    caller: Caller,
    where: FindOptionsWhere<Dose>,
    { limit, cursor, reason }: LotRecipientsQueryDto,
  ): Promise<Page<LotRecipientDto>> {
    const after = readCursor(cursor, isUuid);
    const doses = await this.manager.find(Dose, {
      where: { ...where, status: 'completed', ...(after === undefined ? {} : { id: MoreThan(after) }) },
      relations: { registration: true },
      order: { id: 'ASC' },
      take: limit + 1,
    });
    const page = toPage(doses, limit, (dose) => dose.id, toLotRecipientDto);
    const people = [...new Set(page.items.map(({ registration_id }) => registration_id))];
    await this.reviews.recordReads(this.manager, caller, people, reason);
    return page;
  }
}
