import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { validate as isUuid } from 'uuid';
import type { AuditAction } from '../audit/audit.actions.js';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../http/pagination.dto.js';
import { Problem } from '../http/problem.js';
import { actorOf, type Caller } from '../users/caller.js';
import { Avatar, type AvatarState } from './avatar.entity.js';
import { lockUser, show } from './avatars.service.js';
import {
  type ModeratedAvatarDto,
  type ModerationQueryDto,
  type TakeDownDto,
  toModeratedAvatarDto,
} from './avatars.dto.js';

const DAY_MS = 86_400_000;

/** Of all decisions on an upload, the first finds it pending; the others find nothing to update. */
const DECIDE = `update avatars set state = $2, decided_at = $3, decided_by = $4, reason = $5
  where id = $1 and state = 'pending' returning user_id, hash`;

const TAKE_DOWN = `update avatars set state = 'rejected', decided_at = $2, decided_by = $3, reason = $4, locked_until = $5
  where user_id = $1 and state in ('pending', 'approved') returning id, hash`;

@Injectable()
export class ModerationService {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** Oldest first. */
  async list({ state, limit, cursor }: ModerationQueryDto): Promise<Page<ModeratedAvatarDto>> {
    const after = readCursor(cursor, isUuid);
    const query = this.avatars.createQueryBuilder('a').innerJoinAndSelect('a.user', 'u').where({ state });
    if (after !== undefined) query.andWhere('a.id > :after', { after });
    const rows = await query
      .orderBy('a.id')
      .limit(limit + 1)
      .getMany();
    return toPage(rows, limit, (row) => row.id, toModeratedAvatarDto);
  }

  /** Shows this very upload to everybody. Raises `avatar_not_found`, `avatar_not_pending`. */
  approve(caller: Caller, id: string): Promise<ModeratedAvatarDto> {
    return this.decide(caller, id, 'approved', null);
  }

  /** Keeps this very upload from everybody; what was approved before is shown on. Raises the same. */
  reject(caller: Caller, id: string, reason: string): Promise<ModeratedAvatarDto> {
    return this.decide(caller, id, 'rejected', reason);
  }

  /** Takes down what a user shows and what they have waiting. Raises `avatar_not_found`. */
  async takeDown(caller: Caller, user_id: string, { reason, lock_days = 0 }: TakeDownDto): Promise<void> {
    await this.avatars.manager.transaction(async (manager) => {
      await lockUser(manager, user_id);
      const now = this.clock.date();
      const locked_until = lock_days > 0 ? new Date(now.getTime() + lock_days * DAY_MS) : null;
      type Taken = { id: string; hash: string }[];
      const values = [user_id, now, caller.id, reason, locked_until];
      const [taken] = await manager.query<[Taken, number]>(TAKE_DOWN, values);
      if (taken.length === 0) throw new Problem('avatar_not_found');
      for (const { id, hash } of taken) await remember(manager, id, hash, now);
      await show(manager, user_id);
      const details = { avatar_ids: taken.map(({ id }) => id), reason, locked_until };
      await this.tell(manager, caller, 'avatar.taken_down', user_id, details);
    });
  }

  private decide(
    caller: Caller,
    id: string,
    state: AvatarState & ('approved' | 'rejected'),
    reason: string | null,
  ): Promise<ModeratedAvatarDto> {
    return this.avatars.manager.transaction(async (manager) => {
      const upload = await manager.findOneBy(Avatar, { id });
      if (!upload) throw new Problem('avatar_not_found');
      const { user_id, hash } = upload;
      await lockUser(manager, user_id);
      const now = this.clock.date();
      if (state === 'approved') await withdrawApproved(manager, user_id, now);
      const [decided] = await manager.query<[unknown[], number]>(DECIDE, [id, state, now, caller.id, reason]);
      if (decided.length === 0) throw new Problem('avatar_not_pending');
      if (state === 'rejected') await remember(manager, id, hash, now);
      await show(manager, user_id);
      const details = { avatar_id: id, ...(reason === null ? {} : { reason }) };
      await this.tell(manager, caller, `avatar.${state}`, user_id, details);
      return toModeratedAvatarDto(await manager.findOneOrFail(Avatar, { where: { id }, relations: { user: true } }));
    });
  }

  private tell(manager: EntityManager, caller: Caller, action: AuditAction, subject_id: string, details: object) {
    return this.audit.write(manager, { action, ...actorOf(caller), subject_id, details });
  }
}

const withdrawApproved = (manager: EntityManager, userId: string, now: Date): Promise<unknown> =>
  manager.update(Avatar, { user_id: userId, state: 'approved' }, { state: 'withdrawn', decided_at: now });

/** So that the same picture is known when it comes again, from whomever. */
const remember = (manager: EntityManager, id: string, hash: string, now: Date): Promise<unknown> =>
  manager.query('insert into rejected_images (id, hash, created_at) values ($1, $2, $3)', [id, hash, now]);
