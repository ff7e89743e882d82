import { createHash, randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/**
 * The nonce under which a message is stored. One chosen by the client is hashed with the participant id, so that no user can
 * guess or use the nonce of another. Without a nonce of the client, it is a UUID v7: the order by time keeps the index small
 * and cached.
 */
export function nonceOf(participantId: number, clientNonce: string | null | undefined): string {
  if (clientNonce == null) return uuidv7({ rng: takeRandom });
  const digest = createHash('sha256').update(`${participantId}:${clientNonce}`).digest('hex');
  return digest.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const RANDOM_BYTES = 16;
const random = new Uint8Array(256 * RANDOM_BYTES);
let used = random.length;

/** Fetching random bytes for many nonces at once takes a tenth of the time. */
function takeRandom(): Uint8Array {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += RANDOM_BYTES;
  return random.subarray(used - RANDOM_BYTES, used);
}
