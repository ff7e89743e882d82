import { type EntityManager, IsNull, Not } from 'typeorm';
import { User } from '../users/user.entity.js';
import { TwoFactor } from './two-factor/two-factor.entity.js';

/**
 * Whether two-factor authentication of this user is on. Locks the user's row first: the lock waits for a
 * confirmation in progress, and a later confirmation waits for this transaction. Opening a session takes the same lock
 * afterwards: with a weaker lock here, two sign-ins of a user could deadlock.
 */
export async function isTwoFactorOn(manager: EntityManager, userId: string): Promise<boolean> {
  await manager.findOne(User, { where: { id: userId }, select: { id: true }, lock: { mode: 'for_no_key_update' } });
  return manager.existsBy(TwoFactor, { user_id: userId, confirmed_at: Not(IsNull()) });
}
