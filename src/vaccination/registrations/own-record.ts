import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import type { Registration } from './registration.entity.js';

/**
 * Throws `own_record` if the person is the caller or a dependant of the caller. For acts of the staff that vouch for the person:
 * another member of the staff must do them.
 */
export function assertNotOwn(caller: Caller, { user_id }: Pick<Registration, 'user_id'>): void {
  if (user_id === caller.id) throw new Problem('own_record');
}
