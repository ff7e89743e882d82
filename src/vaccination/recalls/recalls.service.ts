import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import type { LotRecipientDto, LotRecipientsQueryDto } from '../lots/lot-recalls.dto.js';
import { LotRecallsService } from '../lots/lot-recalls.service.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';
import { Recall } from '../lots/recall.entity.js';
import { type CreateRecallDto, type RecallDto, toRecallDto } from './recalls.dto.js';

/** Recalls lots at all centres. */
@Injectable()
export class RecallsService {
  constructor(
    @InjectRepository(Recall) private readonly recalls: Repository<Recall>,
    private readonly lots: LotRecallsService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists recalls, newest first. Throws `invalid_cursor`. */
  async list({ limit, cursor }: PageQueryDto): Promise<Page<RecallDto>> {
    const before = readCursor(cursor, isUuid);
    const rows = await this.recalls.find({
      where: before === undefined ? {} : { id: LessThan(before) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    return toPage(rows, limit, (row) => row.id, toRecallDto);
  }

  /** Throws `recall_not_found`. */
  async get(id: string): Promise<Recall> {
    const recall = await this.recalls.findOneBy({ id });
    if (!recall) throw new Problem('recall_not_found');
    return recall;
  }

  /**
   * Recalls a lot at all centres, or returns the earlier recall. The lock on the vaccine and the one in
   * `LotsService.listRecalled` let a recall and new lots happen one after the other. Throws `vaccine_not_found`.
   */
  async getOrCreate(caller: Caller, dto: CreateRecallDto): Promise<{ recall: Recall; isNew: boolean }> {
    const { vaccine_id, number, reason } = dto;
    return this.recalls.manager.transaction(async (manager) => {
      const lock = { mode: 'for_no_key_update' } as const; // doses and sessions may be added meanwhile
      if (!(await manager.findOne(Vaccine, { where: { id: vaccine_id }, lock })))
        throw new Problem('vaccine_not_found');
      const earlier = await manager.findOneBy(Recall, { vaccine_id, number });
      if (earlier) return { recall: earlier, isNew: false };
      const recall = { id: uuidv7(), vaccine_id, number, reason, created_at: this.clock.date() };
      await manager.insert(Recall, recall);
      const lots = await this.lots.recallAll(manager, caller, { vaccine_id, number }, reason);
      await this.audit.write(manager, {
        action: 'vaccine_recall.created',
        ...actorOf(caller),
        subject_id: recall.id,
        details: { vaccine_id, number, reason, lots },
      });
      return { recall: recall as Recall, isNew: true };
    });
  }

  /**
   * The completed doses of the lot at all centres with the people who got them. Each person's record is read with the reason.
   * Throws `recall_not_found`, `invalid_cursor`.
   */
  async listRecipients(caller: Caller, id: string, query: LotRecipientsQueryDto): Promise<Page<LotRecipientDto>> {
    const { vaccine_id, number } = await this.get(id);
    return this.lots.readRecipients(caller, { lot: { vaccine_id, number } }, query);
  }
}
