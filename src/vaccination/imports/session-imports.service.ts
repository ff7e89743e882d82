import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { instantOf } from '../days.js';
import { type SessionStatus, VaccinationSession } from '../sessions/vaccination-session.entity.js';
import { CreateVaccinationSessionDto } from '../sessions/vaccination-sessions.dto.js';
import { assertConsistent } from '../sessions/vaccination-sessions.service.js';
import type { TableRow } from './csv-table.js';
import { asRowError, findByCode, hasChanges, readItem, readNumber } from './read-item.js';
import { type References, ReferencesService } from './references.service.js';
import { RowError } from './row-error.js';
import type { Change, TableImport } from './table-import.js';

type Stored = Pick<
  VaccinationSession,
  'id' | 'status' | 'booked' | 'walk_ins' | 'ends_at' | 'opens_at' | 'capacity' | 'walk_in_capacity'
>;

interface Item extends CreateVaccinationSessionDto {
  dose: number | null;
  /** Whether a draft is opened. */
  isOpened: boolean;
}

/** Cancelled sessions are found if there is no other: importing a file again does not bring them back. */
const FIND = `select k.n::integer - 1 as index, s.id, s.status, s.booked, s.walk_ins, s.ends_at, s.opens_at, s.capacity,
    s.walk_in_capacity
  from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[])
    with ordinality as k (centre_id, vaccine_id, dose, starts_at, n)
  join vaccination_sessions s on s.centre_id = k.centre_id and s.vaccine_id = k.vaccine_id and s.starts_at = k.starts_at
    and s.dose is not distinct from k.dose
  order by s.id`;

/** A time of the calendar of the centre, without an offset from UTC. */
const LOCAL_TIME = /^(\d{4}-\d{2}-\d{2})[T ](([01]\d|2[0-3]):[0-5]\d)$/;

/** Sessions by centre, vaccine, dose and start. */
@Injectable()
export class SessionImportsService implements TableImport<References, Item, Stored[]> {
  readonly columns = {
    centre: 'required',
    vaccine: 'required',
    dose: 'optional',
    starts_at: 'required',
    ends_at: 'required',
    opens_at: 'required',
    capacity: 'required',
    walk_in_capacity: 'optional',
    status: 'optional',
  } as const;
  readonly keyColumn = 'starts_at';

  constructor(
    private readonly references: ReferencesService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  load(manager: EntityManager, rows: TableRow[]): Promise<References> {
    return this.references.load(manager, rows);
  }

  read(cells: TableRow['cells'], { centres, vaccines }: References): Item {
    const centre = findByCode(centres, 'centre', cells);
    const vaccine = findByCode(vaccines, 'vaccine', cells);
    const time = (cell = ''): unknown => {
      const [, day, clock] = LOCAL_TIME.exec(cell) ?? [];
      return day === undefined ? cell : instantOf(centre.time_zone, day, clock!).toISOString();
    };
    const { status = 'draft', ...numbers } = cells;
    if (status !== 'draft' && status !== 'open') {
      throw new RowError('invalid_value', 'status must be draft or open', 'status');
    }
    const fields = readItem(CreateVaccinationSessionDto, {
      centre_id: centre.id,
      vaccine_id: vaccine.id,
      dose: readNumber(numbers['dose']),
      starts_at: time(cells['starts_at']),
      ends_at: time(cells['ends_at']),
      opens_at: time(cells['opens_at']),
      capacity: readNumber(numbers['capacity']),
      walk_in_capacity: readNumber(numbers['walk_in_capacity']),
    });
    const item = { ...fields, dose: fields.dose ?? null, isOpened: status === 'open' };
    asRowError(() => assertConsistent({ walk_in_capacity: 0, ...item }, vaccine));
    return item;
  }

  keyOf({ centre_id, vaccine_id, dose, starts_at }: Item): string {
    return `${centre_id} ${vaccine_id} ${dose} ${starts_at.toISOString()}`;
  }

  async find(manager: EntityManager, items: Item[], lock: boolean): Promise<Map<number, Stored[]>> {
    const rows = await manager.query<(Stored & { index: number })[]>(lock ? `${FIND} for no key update of s` : FIND, [
      items.map(({ centre_id }) => centre_id),
      items.map(({ vaccine_id }) => vaccine_id),
      items.map(({ dose }) => dose),
      items.map(({ starts_at }) => starts_at),
    ]);
    const found = new Map<number, Stored[]>();
    for (const row of rows) found.set(row.index, [...(found.get(row.index) ?? []), row]);
    return found;
  }

  assertCreatable({ isOpened, ends_at }: Item): void {
    if (isOpened) this.assertNotOver(ends_at);
  }

  isChange(item: Item, stored: Stored[]): boolean {
    const session = sessionOf(stored);
    const hasNewPlan = hasChanges({ ends_at: item.ends_at, opens_at: item.opens_at }, session);
    const hasNewCapacity = hasChanges(capacitiesOf(item), session);
    const { status } = session;
    if (hasNewPlan && status !== 'draft') {
      throw new RowError(
        'session_not_changeable',
        `The session is ${status}: its times stay as they are.`,
        'starts_at',
      );
    }
    if (hasNewCapacity && status !== 'draft' && status !== 'open') {
      throw new RowError('session_not_changeable', `The session is ${status}.`, 'capacity');
    }
    assertEnough(item, session);
    return hasNewPlan || hasNewCapacity || this.opens(item, session);
  }

  async create(manager: EntityManager, caller: Caller, items: Item[]): Promise<void> {
    const now = this.clock.date();
    const fixed = { booked: 0, walk_ins: 0, cancellation_reason: null, created_at: now, updated_at: now };
    const rows = items.map(({ isOpened, walk_in_capacity = 0, ...item }) => ({
      id: uuidv7(),
      ...item,
      walk_in_capacity,
      ...fixed,
      status: isOpened ? ('open' as const) : ('draft' as const),
    }));
    await manager.insert(VaccinationSession, rows);
    const created = rows.map(({ id, centre_id, starts_at, capacity }) => ({
      action: 'vaccination_session.created' as const,
      ...actorOf(caller),
      subject_id: id,
      details: { centre_id, starts_at, capacity },
    }));
    await this.audit.writeAll(manager, created);
    await this.auditOpened(
      manager,
      caller,
      rows.filter(({ status }) => status === 'open').map(({ id }) => id),
    );
  }

  async update(manager: EntityManager, caller: Caller, changes: Change<Item, Stored[]>[]): Promise<void> {
    const updated_at = this.clock.date();
    const opened: string[] = [];
    const entries = [];
    for (const { item, stored } of changes) {
      const session = sessionOf(stored);
      const { ends_at, opens_at } = item;
      const fields = { ends_at, opens_at, ...capacitiesOf(item) };
      const status: SessionStatus = this.opens(item, session) ? 'open' : session.status;
      await manager.update(VaccinationSession, session.id, { ...fields, status, updated_at });
      const action = 'vaccination_session.changed' as const;
      entries.push({ action, ...actorOf(caller), subject_id: session.id, details: fields });
      if (status !== session.status) opened.push(session.id);
    }
    await this.audit.writeAll(manager, entries);
    await this.auditOpened(manager, caller, opened);
  }

  /** Whether the row opens a draft. Throws a RowError if the session is over. */
  private opens({ isOpened, ends_at }: Item, { status }: Stored): boolean {
    if (!isOpened || status !== 'draft') return false;
    this.assertNotOver(ends_at);
    return true;
  }

  private assertNotOver(ends_at: Date): void {
    if (ends_at > this.clock.date()) return;
    throw new RowError('session_not_changeable', 'The session is over: it cannot be opened.', 'status');
  }

  private async auditOpened(manager: EntityManager, caller: Caller, ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    const action = 'vaccination_session.opened' as const;
    await this.audit.writeAll(
      manager,
      ids.map((subject_id) => ({ action, ...actorOf(caller), subject_id })),
    );
  }
}

const capacitiesOf = ({ capacity, walk_in_capacity }: Item) => ({
  capacity,
  ...(walk_in_capacity === undefined ? {} : { walk_in_capacity }),
});

/** The session that a row is about. Throws a RowError if there are several. */
function sessionOf(stored: Stored[]): Stored {
  const live = stored.filter(({ status }) => status !== 'cancelled');
  if (live.length > 1) {
    throw new RowError(
      'several_sessions',
      'The centre has several sessions of this start, vaccine and dose.',
      'starts_at',
    );
  }
  return live[0] ?? stored[0]!;
}

function assertEnough({ capacity, walk_in_capacity }: Item, { booked, walk_ins }: Stored): void {
  if (capacity < booked) throw new RowError('capacity_below_bookings', `${booked} places are booked.`, 'capacity');
  if (walk_in_capacity !== undefined && walk_in_capacity < walk_ins) {
    throw new RowError('capacity_below_bookings', `${walk_ins} places are taken.`, 'walk_in_capacity');
  }
}
