import type { EntityManager } from 'typeorm';
import { Problem } from '../../http/problems/problem.js';
import { Registration } from '../registrations/registration.entity.js';

/**
 * Locks a person until the end of the transaction: the first lock of all changes of appointments and doses
 * (docs/database.md). `user_id`: the account that must have the person. Throws `registration_not_found`.
 */
export async function lockPerson(
  manager: EntityManager,
  { registration_id: id, user_id }: { registration_id: string; user_id?: string },
): Promise<Registration> {
  const where = { id, ...(user_id === undefined ? {} : { user_id }) };
  const person = await manager.findOne(Registration, { where, lock: { mode: 'for_no_key_update' } });
  if (!person) throw new Problem('registration_not_found');
  return person;
}
