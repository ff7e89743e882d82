import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { Avatar } from '../avatar.entity.js';
import {
  type ModeratedAvatarDto,
  type ModerationQueryDto,
  type TakeDownDto,
  toModeratedAvatarDto,
} from '../avatars.dto.js';
import { RejectedImage } from './rejected-image.entity.js';
import { UserAvatarsService } from '../user-avatars.service.js';

const DAY_MS = 86_400_000;

/** Atomic: only the first of several decisions finds the avatar pending. */
const DECIDE = `update avatars set state = $2, decided_at = $3, decided_by = $4, reason = $5
  where id = $1 and state = 'pending' returning user_id, hash`;

/** Rejects the user's pending and approved avatars. */
const TAKE_DOWN = `update avatars set state = 'rejected', decided_at = $2, decided_by = $3, reason = $4, locked_until = $5
  where user_id = $1 and state in ('pending', 'approved') returning id, hash`;

/** Decisions of moderators about avatars. */
@Injectable()
export class ModerationService {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    private readonly userAvatars: UserAvatarsService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** Avatars in one state, oldest first. Throws `invalid_cursor`. */
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

  /** Shows a pending avatar to everyone. Throws `avatar_not_found`, `avatar_not_pending`. */
  approve(caller: Caller, id: string): Promise<ModeratedAvatarDto> {
    return this.decide(caller, id, 'approved', null);
  }

  /** Rejects a pending avatar; the approved one stays. Throws `avatar_not_found`, `avatar_not_pending`. */
  reject(caller: Caller, id: string, reason: string): Promise<ModeratedAvatarDto> {
    return this.decide(caller, id, 'rejected', reason);
  }

  /**
   * Rejects a user's shown and pending avatars, and locks uploads for `lock_days` days. Throws `user_not_found`,
   * `avatar_not_found`.
   */
  async takeDown(caller: Caller, user_id: string, { reason, lock_days = 0 }: TakeDownDto): Promise<void> {
    await this.avatars.manager.transaction(async (manager) => {
      await this.userAvatars.lock(manager, user_id);
      const now = this.clock.date();
      const locked_until = lock_days > 0 ? new Date(now.getTime() + lock_days * DAY_MS) : null;
      const [rejected] = await manager.query<[{ id: string; hash: string }[], number]>(TAKE_DOWN, [
        user_id,
        now,
        caller.id,
        reason,
        locked_until,
      ]);
      if (rejected.length === 0) throw new Problem('avatar_not_found');
      await manager.insert(
        RejectedImage,
        rejected.map(({ id, hash }) => ({ id, hash, created_at: now })),
      );
      await this.userAvatars.updateShown(manager, user_id);
      const details = { avatar_ids: rejected.map(({ id }) => id), reason, locked_until };
      await this.audit.write(manager, {
        action: 'avatar.taken_down',
        ...actorOf(caller),
        subject_id: user_id,
        details,
      });
    });
  }

  private decide(
    caller: Caller,
    id: string,
    state: 'approved' | 'rejected',
    reason: string | null,
  ): Promise<ModeratedAvatarDto> {
    return this.avatars.manager.transaction(async (manager) => {
      const avatar = await manager.findOneBy(Avatar, { id });
      if (!avatar) throw new Problem('avatar_not_found');
      const { user_id, hash } = avatar;
      await this.userAvatars.lock(manager, user_id);
      const now = this.clock.date();
      if (state === 'approved') await this.userAvatars.withdraw(manager, user_id, ['approved']);
      const [decided] = await manager.query<[unknown[], number]>(DECIDE, [id, state, now, caller.id, reason]);
      if (decided.length === 0) throw new Problem('avatar_not_pending');
      if (state === 'rejected') await manager.insert(RejectedImage, { id, hash, created_at: now });
      await this.userAvatars.updateShown(manager, user_id);
      await this.audit.write(manager, {
        action: `avatar.${state}`,
        ...actorOf(caller),
        subject_id: user_id,
        details: { avatar_id: id, ...(reason === null ? {} : { reason }) },
      });
      return toModeratedAvatarDto(await manager.findOneOrFail(Avatar, { where: { id }, relations: { user: true } }));
    });
  }
}
