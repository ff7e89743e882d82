import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, MoreThan, Repository } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { toPublicUserDto } from '../../users/users.dto.js';
import { CentresService } from './centres.service.js';
import { CentreStaffMember, type StaffRole } from './centre-staff-member.entity.js';
import type { StaffMemberDto } from './centres.dto.js';

/** The users who work at a centre. `manage_vaccines` may do what every role may. */
@Injectable()
export class CentreStaffService {
  constructor(
    @InjectRepository(CentreStaffMember) private readonly staff: Repository<CentreStaffMember>,
    private readonly centres: CentresService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Whether the caller has one of these roles at a centre, or the permission `manage_vaccines`. */
  async hasRole(caller: Caller, centreId: string, roles: StaffRole[]): Promise<boolean> {
    if (caller.permissions.manage_vaccines) return true;
    return this.staff.existsBy({ centre_id: centreId, user_id: caller.id, role: In(roles) });
  }

  /** Throws `forbidden` unless the caller has one of these roles at the centre, or the permission `manage_vaccines`. */
  async assertRole(caller: Caller, centreId: string, ...roles: StaffRole[]): Promise<void> {
    if (await this.hasRole(caller, centreId, roles)) return;
    throw new Problem('forbidden', {
      detail: `This needs the permission manage_vaccines, or the role ${roles.join(' or ')} at this centre.`,
    });
  }

  /**
   * Throws `forbidden` unless the caller has one of these roles at the centre, whatever permissions the caller has: for
   * acts that the caller answers for in person.
   */
  async assertStaff(caller: Caller, centreId: string, ...roles: StaffRole[]): Promise<void> {
    if (await this.staff.existsBy({ centre_id: centreId, user_id: caller.id, role: In(roles) })) return;
    throw new Problem('forbidden', { detail: `This needs the role ${roles.join(' or ')} at this centre.` });
  }

  /** Lists the staff of a centre in the order of their user ids. Throws `centre_not_found`, `forbidden`. */
  async list(caller: Caller, centreId: string, { limit, cursor }: PageQueryDto): Promise<Page<StaffMemberDto>> {
    await this.centres.get(centreId);
    await this.assertRole(caller, centreId, 'manager');
    const after = readCursor(cursor, isUuid);
    const members = await this.staff.find({
      where: { centre_id: centreId, ...(after === undefined ? {} : { user_id: MoreThan(after) }) },
      relations: { user: true },
      order: { user_id: 'ASC' },
      take: limit + 1,
    });
    return toPage(
      members,
      limit,
      (member) => member.user_id,
      ({ user, role, created_at }) => ({ user: toPublicUserDto(user), role, created_at }),
    );
  }

  /** Gives a user a role at a centre, in place of an earlier one. Throws `centre_not_found`, `forbidden`, `user_not_found`. */
  async set(caller: Caller, centreId: string, userId: string, role: StaffRole): Promise<void> {
    await this.centres.get(centreId);
    await this.assertRole(caller, centreId, 'manager');
    await this.staff.manager.transaction(async (manager) => {
      const row = { centre_id: centreId, user_id: userId, role, created_at: this.clock.date() };
      await manager.upsert(CentreStaffMember, row, ['centre_id', 'user_id']);
      await this.audit.write(manager, {
        action: 'vaccination_centre.staff_set',
        ...actorOf(caller),
        subject_id: userId,
        details: { centre_id: centreId, role },
      });
    });
  }

  /** Removes a user from a centre. Throws `centre_not_found`, `forbidden`, `staff_member_not_found`. */
  async remove(caller: Caller, centreId: string, userId: string): Promise<void> {
    await this.centres.get(centreId);
    await this.assertRole(caller, centreId, 'manager');
    await this.staff.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(CentreStaffMember, { centre_id: centreId, user_id: userId });
      if (affected === 0) throw new Problem('staff_member_not_found');
      await this.audit.write(manager, {
        action: 'vaccination_centre.staff_removed',
        ...actorOf(caller),
        subject_id: userId,
        details: { centre_id: centreId },
      });
    });
  }
}
