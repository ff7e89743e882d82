import type { EntityManager } from 'typeorm';

const LOCK = 'select from vaccination_sessions where id = any ($1::uuid[]) order by id for no key update';

/**
 * Locks sessions until the end of the transaction, in the order of their ids, after the person. The next statement sees what was
 * committed while this one waited: the same statement would not see new entries of a waitlist.
 */
export const lockSessions = async (manager: EntityManager, ids: string[]): Promise<void> => {
  await manager.query(LOCK, [ids]);
};
