/** A hash of the table of users, as far as its format is known. */
export type StoredHash = { kind: 'bcrypt'; hash: string; cost: number } | { kind: 'argon2id'; hash: string };

const BCRYPT = /^\$2[aby]\$(\d\d)(\$[./A-Za-z0-9]{53})$/;
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;

/** Limits of what verifying one hash may cost; a hash beyond them counts as unknown. */
const MAX_BCRYPT_COST = 16;
const MAX_ARGON2 = { memoryKiB: 128 * 1024, passes: 20, lanes: 16, memoryTimesPasses: 512 * 1024 };

/**
 * Reads a stored hash: bcrypt (`$2y$` is the name that PHP gives to `$2b$`) or argon2id, as imported accounts have it. Null
 * for other formats and for parameters that would occupy the machine.
 */
export function parseStoredHash(stored: string): StoredHash | null {
  const [, cost, rest] = BCRYPT.exec(stored) ?? [];
  if (cost !== undefined) {
    const isAffordable = Number(cost) >= 4 && Number(cost) <= MAX_BCRYPT_COST;
    return isAffordable ? { kind: 'bcrypt', hash: `$2b$${cost}${rest}`, cost: Number(cost) } : null;
  }
  const [memory, passes, lanes] = (ARGON2ID.exec(stored) ?? []).slice(1).map(Number);
  return isAffordableArgon2(memory, passes, lanes) ? { kind: 'argon2id', hash: stored } : null;
}

const isAffordableArgon2 = (memory = 0, passes = 0, lanes = 0): boolean =>
  passes >= 1 &&
  lanes >= 1 &&
  memory >= 8 * lanes && // RFC 9106, section 3.1
  memory <= MAX_ARGON2.memoryKiB &&
  passes <= MAX_ARGON2.passes &&
  lanes <= MAX_ARGON2.lanes &&
  memory * passes <= MAX_ARGON2.memoryTimesPasses;
