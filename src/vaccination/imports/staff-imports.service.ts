import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { CentreStaffMember, type StaffRole } from '../centres/centre-staff-member.entity.js';
import { SetStaffRoleDto } from '../centres/centres.dto.js';
import type { TableRow } from './csv-table.js';
import { distinct, findByCode, readItem } from './read-item.js';
import { type References, ReferencesService } from './references.service.js';
import { RowError } from './row-error.js';
import type { Change, TableImport } from './table-import.js';

interface StaffReferences extends References {
  /** Ids of users by usernames in lower case. */
  users: Map<string, string>;
}

interface Item {
  centre_id: string;
  user_id: string;
  role: StaffRole;
}

/** `$1` centres, `$2` users. */
const FIND = `select k.n::integer - 1 as index, s.centre_id, s.user_id, s.role
  from unnest($1::uuid[], $2::uuid[]) with ordinality as k (centre_id, user_id, n)
  join vaccination_centre_staff s using (centre_id, user_id) order by s.centre_id, s.user_id`;

/** The staff of centres by their usernames. An import does not remove staff. */
@Injectable()
export class StaffImportsService implements TableImport<StaffReferences, Item, Item> {
  readonly columns = { centre: 'required', username: 'required', role: 'required' } as const;
  readonly keyColumn = 'username';

  constructor(
    private readonly references: ReferencesService,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  async load(manager: EntityManager, rows: TableRow[]): Promise<StaffReferences> {
    const users = await this.users.findIdsByUsername(manager, distinct(rows, 'username'));
    return { ...(await this.references.load(manager, rows)), users };
  }

  read(cells: TableRow['cells'], { centres, users }: StaffReferences): Item {
    const { id: centre_id } = findByCode(centres, 'centre', cells);
    const user_id = users.get(cells['username']!.toLowerCase());
    if (user_id === undefined) throw new RowError('user_not_found', 'There is no user with this name.', 'username');
    const { role } = readItem(SetStaffRoleDto, { role: cells['role']!.toLowerCase() });
    return { centre_id, user_id, role };
  }

  keyOf({ centre_id, user_id }: Item): string {
    return `${centre_id} ${user_id}`;
  }

  async find(manager: EntityManager, items: Item[], lock: boolean): Promise<Map<number, Item>> {
    if (lock) await this.users.lockAll(manager, [...new Set(items.map(({ user_id }) => user_id))]);
    const values = [items.map(({ centre_id }) => centre_id), items.map(({ user_id }) => user_id)];
    const rows = await manager.query<(Item & { index: number })[]>(
      lock ? `${FIND} for no key update of s` : FIND,
      values,
    );
    return new Map(rows.map(({ index, ...row }) => [index, row]));
  }

  isChange({ role }: Item, stored: Item): boolean {
    return role !== stored.role;
  }

  async create(manager: EntityManager, caller: Caller, items: Item[]): Promise<void> {
    const created_at = this.clock.date();
    // A member may have been added by another request since.
    await manager.upsert(
      CentreStaffMember,
      items.map((item) => ({ ...item, created_at })),
      ['centre_id', 'user_id'],
    );
    await this.auditRoles(manager, caller, items);
  }

  async update(manager: EntityManager, caller: Caller, changes: Change<Item, Item>[]): Promise<void> {
    const items = changes.map(({ item }) => item);
    for (const { centre_id, user_id, role } of items) {
      await manager.update(CentreStaffMember, { centre_id, user_id }, { role });
    }
    await this.auditRoles(manager, caller, items);
  }

  private auditRoles(manager: EntityManager, caller: Caller, items: Item[]): Promise<void> {
    const action = 'vaccination_centre.staff_set' as const;
    return this.audit.writeAll(
      manager,
      items.map(({ user_id, ...details }) => ({ action, ...actorOf(caller), subject_id: user_id, details })),
    );
  }
}
