import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Clock } from '../common/clock.provider.js';
import { returningRows } from '../database/statements/returning.js';
import { UsersService } from '../users/users.service.js';
import { Avatar, type AvatarState, LIVE_STATES } from './avatar.entity.js';

const WITHDRAW = `update avatars set state = 'withdrawn', decided_at = $3
  where user_id = $1 and state = any($2::text[]) returning id`;
const LOCKED_UNTIL = 'select max(locked_until) as locked_until from avatars where user_id = $1 and locked_until > $2';

/** The steps that uploads, removals and moderation share. All but `findLockedUntil` need the user's lock. */
@Injectable()
export class UserAvatarsService {
  constructor(
    private readonly users: UsersService,
    private readonly clock: Clock,
  ) {}

  /**
   * Serialises changes to one user's avatars until the transaction ends. The order of locks is user, then avatars.
   * Throws `user_not_found`.
   */
  async lock(manager: EntityManager, userId: string): Promise<void> {
    await this.users.lockAvatarId(manager, userId);
  }

  /** Withdraws the user's avatars in these states. Returns their ids. */
  async withdraw(manager: EntityManager, userId: string, states: readonly AvatarState[]): Promise<string[]> {
    const rows = await returningRows<{ id: string }>(manager, WITHDRAW, [userId, states, this.clock.date()]);
    return rows.map(({ id }) => id);
  }

  /** Decides which avatar everyone sees: the one shown so far while it is pending, else the approved one, else none. */
  async updateShown(manager: EntityManager, userId: string): Promise<void> {
    const shownId = await this.users.lockAvatarId(manager, userId);
    const live = await manager.findBy(Avatar, { user_id: userId, state: In(LIVE_STATES) });
    const pending = live.find(({ id, state }) => state === 'pending' && id === shownId);
    const shown = pending ?? live.find(({ state }) => state === 'approved');
    await this.users.setAvatarId(manager, userId, shown?.id ?? null);
  }

  /** Until when a moderator has locked the user's uploads; null when they are not locked. */
  async findLockedUntil(manager: EntityManager, userId: string): Promise<Date | null> {
    const [row] = await manager.query<Pick<Avatar, 'locked_until'>[]>(LOCKED_UNTIL, [userId, this.clock.date()]);
    return row?.locked_until ?? null;
  }
}
