import type { EntityManager } from 'typeorm';
import { User } from '../users/user.entity.js';
import { ExternalIdentity } from './external-identities/external-identity.entity.js';
import { Passkey } from './passkeys/passkey.entity.js';
import type { VerifiedCredential } from './verified-credential.js';

/**
 * Whether the passkey or the identity of a verified credential still exists; true for other credentials. Locks the user's row
 * first, as isTwoFactorOn does: the lock waits for a removal in progress, and a later removal revokes the session that is
 * opened now.
 */
export async function isMethodPresent(
  manager: EntityManager,
  { userId: user_id, passkeyId, identityId }: VerifiedCredential,
): Promise<boolean> {
  if (passkeyId === undefined && identityId === undefined) return true;
  const lock = { mode: 'for_no_key_update' } as const;
  await manager.findOne(User, { where: { id: user_id }, select: { id: true }, lock });
  return passkeyId === undefined
    ? manager.existsBy(ExternalIdentity, { id: identityId!, user_id })
    : manager.existsBy(Passkey, { id: passkeyId, user_id });
}
