import { type EntityManager, IsNull, Not } from 'typeorm';
import { User } from '../users/user.entity.js';
import { TwoFactor } from './two-factor/two-factor.entity.js';

/**
 * Whether two-factor authentication of this user is on. Locks the user's row first: a confirmation in progress is waited
 * for, and a later one waits for this transaction. The lock is the one that opening a session takes afterwards: a weaker one
 * here would let two sign-ins of a user wait for each other.
 */
export async function isTwoFactorOn(manager: EntityManager, userId: string): Promise<boolean> {
  await manager.findOne(User, { where: { id: userId }, select: { id: true }, lock: { mode: 'for_no_key_update' } });
  return manager.existsBy(TwoFactor, { user_id: userId, confirmed_at: Not(IsNull()) });
}
