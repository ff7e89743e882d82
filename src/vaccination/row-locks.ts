import { type EntityManager, In } from 'typeorm';
import { Problem } from '../http/problems/problem.js';
import { Registration } from './registrations/registration.entity.js';
import { VaccinationSession } from './sessions/vaccination-session.entity.js';

/**
 * Locks a person of an account and sessions, in the order of all changes of appointments (docs/database.md): until the end
 * of the transaction, neither the person nor the sessions get other appointments. Throws `registration_not_found`.
 */
export async function lockPersonAndSessions(
  manager: EntityManager,
  { registration_id: id, user_id }: { registration_id: string; user_id: string },
  sessionIds: string[],
): Promise<void> {
  const mode = { lock: { mode: 'for_no_key_update' }, select: { id: true }, order: { id: 'ASC' } } as const;
  const people = await manager.find(Registration, { where: { id, user_id }, ...mode });
  if (people.length === 0) throw new Problem('registration_not_found');
  if (sessionIds.length > 0) await manager.find(VaccinationSession, { where: { id: In(sessionIds) }, ...mode });
}
