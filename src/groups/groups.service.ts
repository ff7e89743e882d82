import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository, type SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService, type AuditEntry } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../http/pagination.dto.js';
import { Problem } from '../http/problem.js';
import { insertOrIgnore } from '../database/insert-or-ignore.js';
import { actorOf, type Caller } from '../users/caller.js';
import { type PublicUserDto, toPublicUserDto } from '../users/users.dto.js';
import { GroupMember } from './group-member.entity.js';
import { Group } from './group.entity.js';
import { type CreateGroupDto, type GroupDto, toGroupDto, type UpdateGroupDto } from './groups.dto.js';

@Injectable()
export class GroupsService {
  constructor(
    @InjectRepository(Group) private readonly groups: Repository<Group>,
    @InjectRepository(GroupMember) private readonly members: Repository<GroupMember>,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Oldest first: all groups for administrators, their own for everybody else. */
  async list(caller: Caller, { limit, cursor }: PageQueryDto): Promise<Page<GroupDto>> {
    const query = this.visibleTo(caller)
      .orderBy('g.id')
      .limit(limit + 1);
    const after = readCursor(cursor, isUuid);
    if (after !== undefined) query.andWhere('g.id > :after', { after });
    return toPage(await query.getMany(), limit, (group) => group.id, toGroupDto);
  }

  /** Raises `group_not_found`, also for a group that the caller is neither administrator nor member of. */
  async get(caller: Caller, id: string): Promise<Group> {
    const group = await this.visibleTo(caller).andWhere('g.id = :id', { id }).getOne();
    if (!group) throw new Problem('group_not_found');
    return group;
  }

  /** Raises `group_name_taken`. */
  async create(caller: Caller, dto: CreateGroupDto): Promise<Group> {
    const now = this.clock.date();
    const blank = { permissions: [], early_access_days: 0, created_at: now, updated_at: now };
    const group: Group = { id: uuidv7(), ...blank, ...dto };
    await this.audited(
      caller,
      { action: 'group.created', subject_id: group.id, details: { ...dto } },
      async (manager) => {
        await manager.insert(Group, group);
      },
    );
    return group;
  }

  /** Raises `group_not_found`, `group_name_taken`, `last_administrator`. */
  async update(caller: Caller, id: string, dto: UpdateGroupDto): Promise<Group> {
    await this.audited(caller, { action: 'group.changed', subject_id: id, details: { ...dto } }, async (manager) => {
      const { affected } = await manager.update(Group, id, { ...dto, updated_at: this.clock.date() });
      if (affected === 0) throw new Problem('group_not_found');
    });
    return this.groups.findOneByOrFail({ id });
  }

  /** Raises `group_not_found`, `last_administrator`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.audited(caller, { action: 'group.deleted', subject_id: id }, async (manager) => {
      const { affected } = await manager.delete(Group, id);
      if (affected === 0) throw new Problem('group_not_found');
    });
  }

  async listMembers(id: string, { limit, cursor }: PageQueryDto): Promise<Page<PublicUserDto>> {
    await this.assertExists(id);
    const query = this.members
      .createQueryBuilder('m')
      .innerJoinAndSelect('m.user', 'u')
      .where('m.group_id = :id', { id });
    const after = readCursor(cursor, isUuid);
    if (after !== undefined) query.andWhere('m.user_id > :after', { after });
    const rows = await query
      .orderBy('m.user_id')
      .limit(limit + 1)
      .getMany();
    return toPage(
      rows,
      limit,
      (row) => row.user_id,
      (row) => toPublicUserDto(row.user),
    );
  }

  /** Makes the user a member; already being one is fine. Raises `group_not_found`, `user_not_found`. */
  async addMember(caller: Caller, group_id: string, user_id: string): Promise<void> {
    const happening = { action: 'group.member_added', subject_id: user_id, details: { group_id } } as const;
    await this.audited(caller, happening, async (manager) => {
      const member = { group_id, user_id, created_at: this.clock.date() };
      await insertOrIgnore(manager, GroupMember, member);
    });
  }

  /** Raises `member_not_found`, `last_administrator`. */
  async removeMember(caller: Caller, group_id: string, user_id: string): Promise<void> {
    const happening = { action: 'group.member_removed', subject_id: user_id, details: { group_id } } as const;
    await this.audited(caller, happening, async (manager) => {
      const { affected } = await manager.delete(GroupMember, { group_id, user_id });
      if (affected === 0) throw new Problem('member_not_found');
    });
  }

  /** Does the work and tells of it, both or neither. */
  private async audited(
    caller: Caller,
    happening: AuditEntry,
    work: (manager: EntityManager) => Promise<void>,
  ): Promise<void> {
    await this.groups.manager.transaction(async (manager) => {
      await work(manager);
      await this.audit.write(manager, { ...happening, ...actorOf(caller) });
    });
  }

  private visibleTo(caller: Caller): SelectQueryBuilder<Group> {
    const query = this.groups.createQueryBuilder('g').where('true');
    if (caller.permissions.admin) return query;
    return query.andWhere('g.id in (select group_id from group_members where user_id = :me)', { me: caller.id });
  }

  private async assertExists(id: string): Promise<void> {
    if (!(await this.groups.existsBy({ id }))) throw new Problem('group_not_found');
  }
}
