import type { EntityManager } from 'typeorm';
import { Problem } from '../../http/problems/problem.js';
import { Registration } from '../registrations/registration.entity.js';

/**
 * Locks a person of an account until the end of the transaction: the first lock of all changes of appointments
 * (docs/database.md). Throws `registration_not_found`.
 */
export async function lockPerson(
  manager: EntityManager,
  { registration_id: id, user_id }: { registration_id: string; user_id: string },
): Promise<void> {
  const lock = { mode: 'for_no_key_update' } as const;
  const person = await manager.findOne(Registration, { where: { id, user_id }, select: { id: true }, lock });
  if (!person) throw new Problem('registration_not_found');
}
