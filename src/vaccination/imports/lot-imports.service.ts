import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { Lot } from '../lots/lot.entity.js';
import { CreateLotDto } from '../lots/lots.dto.js';
import { lotKey, LotsService } from '../lots/lots.service.js';
import type { TableRow } from './csv-table.js';
import { findByCode, hasChanges, readItem, readNumber } from './read-item.js';
import { type References, ReferencesService } from './references.service.js';
import { RowError } from './row-error.js';
import type { Change, TableImport } from './table-import.js';

interface LotReferences extends References {
  /** Lots that are recalled at all centres. */
  recalled: Set<string>;
}

interface Item extends CreateLotDto {
  isRecalled: boolean;
}

type Stored = Pick<Lot, 'id' | 'expires_on' | 'received' | 'used'>;

/** `$1` centres, `$2` vaccines, `$3` numbers. */
const FIND = `select k.n::integer - 1 as index, l.id, l.expires_on::text, l.received, l.used
  from unnest($1::uuid[], $2::uuid[], $3::citext[]) with ordinality as k (centre_id, vaccine_id, number, n)
  join vaccine_lots l using (centre_id, vaccine_id, number) order by l.id`;

/** Lots by centre, vaccine and number. */
@Injectable()
export class LotImportsService implements TableImport<LotReferences, Item, Stored> {
  readonly columns = {
    centre: 'required',
    vaccine: 'required',
    number: 'required',
    expires_on: 'required',
    received: 'required',
  } as const;
  readonly keyColumn = 'number';

  constructor(
    private readonly references: ReferencesService,
    private readonly lots: LotsService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  async load(manager: EntityManager, rows: TableRow[]): Promise<LotReferences> {
    const references = await this.references.load(manager, rows);
    const vaccineIds = [...references.vaccines.values()].map(({ id }) => id);
    return { ...references, recalled: await this.lots.listRecalled(manager, vaccineIds) };
  }

  read(cells: TableRow['cells'], { centres, vaccines, recalled }: LotReferences): Item {
    const { number, expires_on, received, ...codes } = cells;
    const lot = readItem(CreateLotDto, {
      centre_id: findByCode(centres, 'centre', codes).id,
      vaccine_id: findByCode(vaccines, 'vaccine', codes).id,
      number,
      expires_on,
      received: readNumber(received),
    });
    return { ...lot, isRecalled: recalled.has(lotKey(lot)) };
  }

  keyOf(lot: Item): string {
    return `${lot.centre_id} ${lotKey(lot)}`;
  }

  assertCreatable({ isRecalled }: Item): void {
    if (isRecalled) throw new RowError('lot_recalled', 'This lot is recalled at all centres.', 'number');
  }

  async find(manager: EntityManager, items: Item[], lock: boolean): Promise<Map<number, Stored>> {
    const rows = await manager.query<(Stored & { index: number })[]>(lock ? `${FIND} for no key update of l` : FIND, [
      items.map(({ centre_id }) => centre_id),
      items.map(({ vaccine_id }) => vaccine_id),
      items.map(({ number }) => number),
    ]);
    return new Map(rows.map((row) => [row.index, row]));
  }

  isChange({ expires_on, received }: Item, stored: Stored): boolean {
    if (received < stored.used) {
      throw new RowError('lot_overdrawn', `${stored.used} doses of this lot have been used.`, 'received');
    }
    return hasChanges({ expires_on, received }, stored);
  }

  async create(manager: EntityManager, caller: Caller, items: Item[]): Promise<void> {
    const lots = items.map(({ isRecalled: _isRecalled, ...lot }) => lot);
    const now = this.clock.date();
    const unused = { used: 0, recalled_at: null, recall_reason: null, created_at: now, updated_at: now };
    const rows = lots.map((lot) => ({ id: uuidv7(), ...unused, ...lot }));
    await manager.insert(Lot, rows);
    const action = 'vaccine_lot.created' as const;
    const entries = rows.map(({ id }, index) => ({
      action,
      ...actorOf(caller),
      subject_id: id,
      details: lots[index]!,
    }));
    await this.audit.writeAll(manager, entries);
  }

  async update(manager: EntityManager, caller: Caller, changes: Change<Item, Stored>[]): Promise<void> {
    const updated_at = this.clock.date();
    for (const {
      item: { expires_on, received },
      stored,
    } of changes) {
      await manager.update(Lot, stored.id, { expires_on, received, updated_at });
    }
    const action = 'vaccine_lot.changed' as const;
    await this.audit.writeAll(
      manager,
      changes.map(({ item: { expires_on, received }, stored }) => ({
        action,
        ...actorOf(caller),
        subject_id: stored.id,
        details: { expires_on, received },
      })),
    );
  }
}
