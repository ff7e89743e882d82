import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { Centre } from '../centres/centre.entity.js';
import { CreateCentreDto } from '../centres/centres.dto.js';
import { DEFAULT_TIME_ZONE, listKnownTimeZones } from '../time-zones.js';
import type { TableRow } from './csv-table.js';
import { distinct, hasChanges, readItem, readNumber } from './read-item.js';
import { RowError } from './row-error.js';
import type { Change, TableImport } from './table-import.js';

type KnownTimeZones = Set<string>;

/** Centres by their codes. */
@Injectable()
export class CentreImportsService implements TableImport<KnownTimeZones, CreateCentreDto, Centre> {
  readonly columns = {
    code: 'required',
    name: 'required',
    address: 'required',
    district: 'required',
    latitude: 'required',
    longitude: 'required',
    time_zone: 'optional',
    status: 'optional',
  } as const;
  readonly keyColumn = 'code';

  constructor(
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  load(manager: EntityManager, rows: TableRow[]): Promise<KnownTimeZones> {
    return listKnownTimeZones(manager, distinct(rows, 'time_zone'));
  }

  read(cells: TableRow['cells'], timeZones: KnownTimeZones): CreateCentreDto {
    const { latitude, longitude } = cells;
    const fields = { ...cells, latitude: readNumber(latitude), longitude: readNumber(longitude) };
    const centre = readItem(CreateCentreDto, fields);
    if (centre.time_zone !== undefined && !timeZones.has(centre.time_zone.toLowerCase())) {
      throw new RowError('invalid_value', 'time_zone must be an IANA time zone such as Asia/Dhaka', 'time_zone');
    }
    return centre;
  }

  keyOf({ code }: CreateCentreDto): string {
    return code.toLowerCase();
  }

  async find(manager: EntityManager, items: CreateCentreDto[], lock: boolean): Promise<Map<number, Centre>> {
    const rows = await manager.find(Centre, {
      where: { code: In(items.map(({ code }) => code)) },
      order: { id: 'ASC' },
      ...(lock ? { lock: { mode: 'for_no_key_update' } } : {}),
    });
    const stored = new Map(rows.map((row) => [this.keyOf(row), row]));
    return new Map(
      items.flatMap((item, index) => {
        const row = stored.get(this.keyOf(item));
        return row === undefined ? [] : [[index, row] as const];
      }),
    );
  }

  isChange({ code: _code, ...fields }: CreateCentreDto, stored: Centre): boolean {
    return hasChanges(fields, stored);
  }

  async create(manager: EntityManager, caller: Caller, items: CreateCentreDto[]): Promise<void> {
    const now = this.clock.date();
    const defaults = { time_zone: DEFAULT_TIME_ZONE, status: 'active' as const };
    const times = { created_at: now, updated_at: now };
    const rows = items.map((item) => ({ id: uuidv7(), ...defaults, ...item, ...times }));
    await manager.insert(Centre, rows);
    const action = 'vaccination_centre.created' as const;
    const entries = rows.map(({ id }, index) => ({
      action,
      ...actorOf(caller),
      subject_id: id,
      details: items[index]!,
    }));
    await this.audit.writeAll(manager, entries);
  }

  async update(manager: EntityManager, caller: Caller, changes: Change<CreateCentreDto, Centre>[]): Promise<void> {
    for (const {
      item: { code: _code, ...fields },
      stored,
    } of changes) {
      await manager.update(Centre, stored.id, { ...fields, updated_at: this.clock.date() });
    }
    const action = 'vaccination_centre.changed' as const;
    await this.audit.writeAll(
      manager,
      changes.map(({ item, stored }) => ({ action, ...actorOf(caller), subject_id: stored.id, details: item })),
    );
  }
}
