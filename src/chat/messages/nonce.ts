import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/**
 * What makes a send findable again. A client's own is bound to the user, so that nobody can guess or take another's;
 * one of ours is in the order of time, which keeps the index small and warm.
 */
export function nonceOf(participantId: number, own: string | null | undefined): string {
  if (own == null) return uuidv7();
  const digest = createHash('sha256').update(`${participantId}:${own}`).digest('hex');
  return digest.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
