import type { CompatSystem } from '../../config/compat-systems.js';

/** The groups of a user in the claims of an identity token. */
export interface GroupClaims {
  groups: string[];
  /** Present if some or all names are left out. */
  groups_truncated?: true;
}

/** At most this many names, and this many bytes of them: servers and proxies refuse headers of more than 8 KB. */
const MAX_NAMES = 50;
const MAX_BYTES = 4_000;

/** Browsers drop cookies of more than 4,096 bytes. The tokens of the chat app have no groups; those of the manga site have. */
const MAX_BYTES_IN_COOKIE: Partial<Record<CompatSystem, number>> = { chatapp: 0, kanjiku: 1_000 };

/** The names that an identity token of a session can hold. Rights follow from the database, never from these names. */
export function groupClaims(names: string[], system: CompatSystem | null): GroupClaims {
  let bytes = (system && MAX_BYTES_IN_COOKIE[system]) ?? MAX_BYTES;
  const groups: string[] = [];
  for (const name of names.slice(0, MAX_NAMES)) {
    bytes -= Buffer.byteLength(JSON.stringify(name)) + 1;
    if (bytes < 0) break;
    groups.push(name);
  }
  return groups.length < names.length ? { groups, groups_truncated: true } : { groups };
}
