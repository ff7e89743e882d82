import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, MoreThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { changedValues } from '../common/changes.js';
import { Clock } from '../common/clock.provider.js';
import { insertOrIgnore } from '../database/statements/insert-or-ignore.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../http/pagination.dto.js';
import { Problem } from '../http/problems/problem.js';
import { actorOf, type Caller } from '../users/caller.js';
import { type PublicUserDto, toPublicUserDto } from '../users/users.dto.js';
import { GroupMember } from './group-member.entity.js';
import { Group } from './group.entity.js';
import { type CreateGroupDto, type GroupDto, toGroupDto, type UpdateGroupDto } from './groups.dto.js';

/**
 * Groups and their members. A trigger of the database refuses, on commit, a change that leaves no active administrator
 * (`last_administrator`). Only the database can check concurrent changes one after the other.
 */
@Injectable()
export class GroupsService {
  constructor(
    @InjectRepository(Group) private readonly groups: Repository<Group>,
    @InjectRepository(GroupMember) private readonly members: Repository<GroupMember>,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists groups, oldest first: all of them for administrators, the caller's own for everyone else. */
  async list(caller: Caller, { limit, cursor }: PageQueryDto): Promise<Page<GroupDto>> {
    const after = readCursor(cursor, isUuid);
    const query = this.groups
      .createQueryBuilder('g')
      .where(after === undefined ? {} : { id: MoreThan(after) })
      .orderBy('g.id')
      .limit(limit + 1);
    if (!caller.permissions.admin) {
      query.andWhere('g.id in (select group_id from group_members where user_id = :userId)', { userId: caller.id });
    }
    return toPage(await query.getMany(), limit, (group) => group.id, toGroupDto);
  }

  /** The id of the active administrator who was created first; null if there is none. Ids are in order of creation. */
  async findFirstAdministrator(manager: EntityManager): Promise<string | null> {
    const member = await manager
      .createQueryBuilder(GroupMember, 'm')
      .innerJoin('m.user', 'u')
      .innerJoin('m.group', 'g')
      .where(`u.is_active and 'admin' = any (g.permissions)`)
      .orderBy('m.user_id')
      .limit(1)
      .getOne();
    return member?.user_id ?? null;
  }

  /** Whether there is an active administrator with a password, a passkey or an identity of a configured issuer. */
  async hasAdministratorWhoCanSignIn(): Promise<boolean> {
    const [row] = await this.groups.query<[{ can: boolean }]>('select administrator_can_sign_in() as can');
    return row.can;
  }

  /** A group of which the caller is a member, or any group for administrators. Throws `group_not_found`. */
  async get(caller: Caller, id: string): Promise<Group> {
    const group = await this.groups.findOneBy({ id });
    const isVisible = caller.permissions.admin || caller.profile.groups.some((own) => own.id === id);
    if (!group || !isVisible) throw new Problem('group_not_found');
    return group;
  }

  /** Creates a group. Throws `group_name_taken`. */
  create(caller: Caller, dto: CreateGroupDto): Promise<Group> {
    return this.groups.manager.transaction(async (manager) => {
      const group = await this.insert(manager, dto);
      await this.audit.write(manager, {
        action: 'group.created',
        ...actorOf(caller),
        subject_id: group.id,
        details: { ...dto },
      });
      return group;
    });
  }

  /** Changes a group. Throws `group_not_found`, `group_name_taken`, `last_administrator`. */
  async update(caller: Caller, id: string, dto: UpdateGroupDto): Promise<Group> {
    await this.groups.manager.transaction(async (manager) => {
      const group = await manager.findOne(Group, { where: { id }, lock: { mode: 'for_no_key_update' } });
      if (!group) throw new Problem('group_not_found');
      const details = changedValues<UpdateGroupDto>(group, dto);
      if (Object.keys(details).length === 0) return; // no change, no audit event
      await manager.update(Group, id, { ...details, updated_at: this.clock.date() });
      await this.audit.write(manager, { action: 'group.changed', ...actorOf(caller), subject_id: id, details });
    });
    return this.groups.findOneByOrFail({ id });
  }

  /** Deletes a group and its memberships. Throws `group_not_found`, `last_administrator`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.groups.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(Group, id);
      if (affected === 0) throw new Problem('group_not_found');
      await this.audit.write(manager, { action: 'group.deleted', ...actorOf(caller), subject_id: id });
    });
  }

  /** Lists the members of a group in the order of their ids. Throws `group_not_found`. */
  async listMembers(id: string, { limit, cursor }: PageQueryDto): Promise<Page<PublicUserDto>> {
    if (!(await this.groups.existsBy({ id }))) throw new Problem('group_not_found');
    const after = readCursor(cursor, isUuid);
    const members = await this.members.find({
      where: { group_id: id, ...(after === undefined ? {} : { user_id: MoreThan(after) }) },
      relations: { user: true },
      order: { user_id: 'ASC' },
      take: limit + 1,
    });
    return toPage(
      members,
      limit,
      (member) => member.user_id,
      (member) => toPublicUserDto(member.user),
    );
  }

  /** Adds a member; does nothing if the user is one already. Throws `group_not_found`, `user_not_found`. */
  async addMember(caller: Caller, group_id: string, user_id: string): Promise<void> {
    await this.groups.manager.transaction(async (manager) => {
      const row = { group_id, user_id, created_at: this.clock.date() };
      if (!(await insertOrIgnore(manager, GroupMember, row))) return;
      await this.audit.write(manager, {
        action: 'group.member_added',
        ...actorOf(caller),
        subject_id: user_id,
        details: { group_id },
      });
    });
  }

  /** Removes a member. Throws `member_not_found`, `last_administrator`. */
  async removeMember(caller: Caller, group_id: string, user_id: string): Promise<void> {
    await this.groups.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(GroupMember, { group_id, user_id });
      if (affected === 0) throw new Problem('member_not_found');
      await this.audit.write(manager, {
        action: 'group.member_removed',
        ...actorOf(caller),
        subject_id: user_id,
        details: { group_id },
      });
    });
  }

  /**
   * Adds a user to the oldest group with the permission `admin`, which is created if there is none. Returns its id. Writes no
   * audit event. Throws `group_name_taken` when a group without this permission is called Administrators.
   */
  async insertAdministrator(manager: EntityManager, user_id: string): Promise<string> {
    const found = await manager
      .createQueryBuilder(Group, 'g')
      .where(`'admin' = any (g.permissions)`)
      .orderBy('g.id')
      .getOne();
    const group = found ?? (await this.insert(manager, { name: 'Administrators', permissions: ['admin'] }));
    await manager.insert(GroupMember, { group_id: group.id, user_id, created_at: this.clock.date() });
    return group.id;
  }

  /** Inserts a group with one member. Writes no audit event. */
  async insertWithMember(manager: EntityManager, dto: CreateGroupDto, user_id: string): Promise<void> {
    const { id: group_id, created_at } = await this.insert(manager, dto);
    await manager.insert(GroupMember, { group_id, user_id, created_at });
  }

  private async insert(manager: EntityManager, dto: CreateGroupDto): Promise<Group> {
    const now = this.clock.date();
    const defaults = { permissions: [], early_access_days: 0 };
    const group: Group = { id: uuidv7(), ...defaults, ...dto, created_at: now, updated_at: now };
    await manager.insert(Group, group);
    return group;
  }
}
