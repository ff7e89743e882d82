import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { likePattern } from '../../database/statements/like-pattern.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReleaseGroup } from './release-group.entity.js';
import {
  type CreateReleaseGroupDto,
  type ReleaseGroupDto,
  type ReleaseGroupsQueryDto,
  toReleaseGroupDto,
  type UpdateReleaseGroupDto,
} from './release-groups.dto.js';

const IS_NAMED = `fold_text(g.name::text) like ${likePattern('fold_text(:q)')}`;

/** The groups of people that release chapters. */
@Injectable()
export class ReleaseGroupsService {
  constructor(
    @InjectRepository(ReleaseGroup) private readonly groups: Repository<ReleaseGroup>,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists release groups, oldest first. Throws `invalid_cursor`. */
  async list({ limit, cursor, q }: ReleaseGroupsQueryDto): Promise<Page<ReleaseGroupDto>> {
    const after = readCursor(cursor, isUuid);
    const query = this.groups.createQueryBuilder('g').where('true');
    if (after !== undefined) query.andWhere('g.id > :after', { after });
    if (q !== undefined) query.andWhere(IS_NAMED, { q });
    const rows = await query
      .orderBy('g.id')
      .limit(limit + 1)
      .getMany();
    return toPage(rows, limit, (row) => row.id, toReleaseGroupDto);
  }

  /** Throws `release_group_not_found`. */
  async get(id: string): Promise<ReleaseGroup> {
    const group = await this.groups.findOneBy({ id });
    if (!group) throw new Problem('release_group_not_found');
    return group;
  }

  /** Adds a release group. Throws `release_group_name_taken`. */
  create(caller: Caller, { name, website = null }: CreateReleaseGroupDto): Promise<ReleaseGroup> {
    const now = this.clock.date();
    const group: ReleaseGroup = { id: uuidv7(), name, website, created_at: now, updated_at: now };
    return this.groups.manager.transaction(async (manager) => {
      await manager.insert(ReleaseGroup, group);
      await this.audit.write(manager, {
        action: 'release_group.created',
        ...actorOf(caller),
        subject_id: group.id,
        details: { name },
      });
      return group;
    });
  }

  /** Changes a release group. Throws `release_group_not_found`, `release_group_name_taken`. */
  async update(caller: Caller, id: string, dto: UpdateReleaseGroupDto): Promise<ReleaseGroup> {
    await this.groups.manager.transaction(async (manager) => {
      const { affected } = await manager.update(ReleaseGroup, id, { ...dto, updated_at: this.clock.date() });
      if (affected === 0) throw new Problem('release_group_not_found');
      await this.audit.write(manager, {
        action: 'release_group.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { ...dto },
      });
    });
    return this.get(id);
  }
}
