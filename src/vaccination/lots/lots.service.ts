import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, MoreThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { Recall } from './recall.entity.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';
import { Lot } from './lot.entity.js';
import { type CreateLotDto, type LotDto, type LotsQueryDto, toLotDto, type UpdateLotDto } from './lots.dto.js';

/** What a dose is taken for. */
export interface LotUse {
  centre_id: string;
  vaccine_id: string;
  /** YYYY-MM-DD in the time zone of the centre. */
  day: string;
}

/** The stock of vaccines at the centres. */
@Injectable()
export class LotsService {
  constructor(
    @InjectRepository(Lot) private readonly lots: Repository<Lot>,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Lists lots, oldest first: of one centre for its staff, else of all centres where the caller works, or of all with
   * `manage_vaccines`. Throws `forbidden`, `invalid_cursor`.
   */
  async list(caller: Caller, { limit, cursor, centre_id, vaccine_id }: LotsQueryDto): Promise<Page<LotDto>> {
    if (centre_id !== undefined) await this.staff.assertRole(caller, centre_id, ...STAFF_ROLES);
    const after = readCursor(cursor, isUuid);
    const query = this.lots
      .createQueryBuilder('l')
      .where(after === undefined ? {} : { id: MoreThan(after) })
      .orderBy('l.id')
      .limit(limit + 1);
    if (vaccine_id !== undefined) query.andWhere({ vaccine_id });
    if (centre_id !== undefined) query.andWhere({ centre_id });
    else if (!caller.permissions.manage_vaccines) {
      const own = 'select centre_id from vaccination_centre_staff where user_id = :userId';
      query.andWhere(`l.centre_id in (${own})`, { userId: caller.id });
    }
    return toPage(await query.getMany(), limit, (row) => row.id, toLotDto);
  }

  /** A lot, for the staff of its centre. Throws `lot_not_found`. */
  async get(caller: Caller, id: string): Promise<Lot> {
    const lot = await this.lots.findOneBy({ id });
    if (!lot || !(await this.staff.hasRole(caller, lot.centre_id, [...STAFF_ROLES])))
      throw new Problem('lot_not_found');
    return lot;
  }

  /** Adds a lot to the stock. Throws `forbidden`, `centre_not_found`, `vaccine_not_found`, `lot_recalled`, `lot_exists`. */
  async create(caller: Caller, dto: CreateLotDto): Promise<Lot> {
    await this.staff.assertRole(caller, dto.centre_id, 'manager');
    const now = this.clock.date();
    const unused = { used: 0, recalled_at: null, recall_reason: null };
    const lot = { id: uuidv7(), ...unused, ...dto, created_at: now, updated_at: now };
    return this.lots.manager.transaction(async (manager) => {
      if ((await this.listRecalled(manager, [dto.vaccine_id])).has(lotKey(dto))) throw new Problem('lot_recalled');
      await manager.insert(Lot, lot);
      await this.audit.write(manager, {
        action: 'vaccine_lot.created',
        ...actorOf(caller),
        subject_id: lot.id,
        details: { ...dto },
      });
      return lot as Lot;
    });
  }

  /**
   * The lots of these vaccines that are recalled at all centres, as `lotKey` names them. Locks the vaccines until the transaction
   * ends: a recall at this moment waits, and then finds the lots that the transaction adds.
   */
  async listRecalled(manager: EntityManager, vaccineIds: string[]): Promise<Set<string>> {
    const lock = { mode: 'pessimistic_read' } as const;
    await manager.find(Vaccine, { select: { id: true }, where: { id: In(vaccineIds) }, order: { id: 'ASC' }, lock });
    const recalls = await manager.findBy(Recall, { vaccine_id: In(vaccineIds) });
    return new Set(recalls.map(lotKey));
  }

  /**
   * Takes one dose out of the stock of a centre, for a day of its calendar. Throws `lot_not_found`,
   * `lot_of_other_vaccine`, `lot_recalled`, `lot_expired`, `lot_out_of_stock`.
   */
  async takeDose(manager: EntityManager, id: string, use: LotUse): Promise<void> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Lot)
      .set({ used: () => 'used + 1', updated_at: this.clock.date() })
      .where('id = :id and centre_id = :centre_id and vaccine_id = :vaccine_id', { ...use, id })
      .andWhere('recalled_at is null and expires_on >= :day and used < received')
      .execute();
    if (affected === 0) throw new Problem(findObstacle(await manager.findOneBy(Lot, { id }), use));
  }

  /** Puts a dose back that was not used. */
  async returnDose(manager: EntityManager, id: string): Promise<void> {
    await manager.update(Lot, id, { used: () => 'used - 1', updated_at: this.clock.date() });
  }

  /** Changes a lot. Throws `lot_not_found`, `forbidden`, `lot_overdrawn`. */
  async update(caller: Caller, id: string, dto: UpdateLotDto): Promise<Lot> {
    const { centre_id } = await this.get(caller, id);
    await this.staff.assertRole(caller, centre_id, 'manager');
    await this.lots.manager.transaction(async (manager) => {
      await manager.update(Lot, id, { ...dto, updated_at: this.clock.date() });
      await this.audit.write(manager, {
        action: 'vaccine_lot.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { ...dto },
      });
    });
    return this.lots.findOneByOrFail({ id });
  }
}

/** Equal for the stocks of one lot at all centres. */
export const lotKey = ({ vaccine_id, number }: Pick<Lot, 'vaccine_id' | 'number'>): string =>
  `${vaccine_id} ${foldCase(number)}`;

/** Lower case letter by letter, as citext compares. Of a whole text, JavaScript makes two letters of İ and minds the last Σ. */
const foldCase = (text: string): string =>
  Array.from(text, (letter) => String.fromCodePoint(letter.toLowerCase().codePointAt(0)!)).join('');

/** Why no dose can be taken from a lot. */
function findObstacle(lot: Lot | null, { centre_id, vaccine_id, day }: LotUse): ProblemCode {
  if (!lot || lot.centre_id !== centre_id) return 'lot_not_found';
  if (lot.vaccine_id !== vaccine_id) return 'lot_of_other_vaccine';
  if (lot.recalled_at) return 'lot_recalled';
  return lot.expires_on < day ? 'lot_expired' : 'lot_out_of_stock';
}
