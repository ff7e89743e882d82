import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { ExternalIdentity } from '../external-identities/external-identity.entity.js';
import { Passkey } from '../passkeys/passkey.entity.js';
import { TIME_STEP_MS } from '../two-factor/two-factor-codes.js';
import { TwoFactorChallenge } from '../two-factor/two-factor-challenge.entity.js';
import { TwoFactor } from '../two-factor/two-factor.entity.js';
import type { SignInMethod } from './sign-in-method.js';

/** Reads and removes the sign-in methods of a user whose account is recovered. */
@Injectable()
export class RecoveredMethodsService {
  constructor(private readonly audit: AuditService) {}

  /** Passkeys, external identities and two-factor authentication of a user, whose row must be locked. */
  async list(manager: EntityManager, user_id: string): Promise<SignInMethod[]> {
    const passkeys = await manager.findBy(Passkey, { user_id });
    const identities = await manager.findBy(ExternalIdentity, { user_id });
    const twoFactors = await manager.findBy(TwoFactor, { user_id });
    return [
      ...passkeys.map(({ id, created_at, last_used_at }) => toMethod('passkey', id, created_at, last_used_at)),
      ...identities.map(({ id, created_at, last_used_at, issuer }) => ({
        ...toMethod('identity', id, created_at, last_used_at),
        issuer,
      })),
      ...twoFactors.flatMap(({ confirmed_at, last_step }) =>
        confirmed_at ? [toMethod('two_factor', user_id, confirmed_at, new Date(last_step * TIME_STEP_MS))] : [],
      ),
    ];
  }

  /** Removes the methods and writes an audit event for each. */
  async remove(manager: EntityManager, userId: string, methods: SignInMethod[]): Promise<void> {
    const idsOf = (kind: SignInMethod['kind']) => methods.filter((each) => each.kind === kind).map(({ id }) => id);
    await manager.delete(Passkey, { id: In(idsOf('passkey')) });
    await manager.delete(ExternalIdentity, { id: In(idsOf('identity')) });
    await manager.delete(TwoFactor, { user_id: In(idsOf('two_factor')) });
    await manager.delete(TwoFactorChallenge, { user_id: userId }); // one may have begun with a removed identity
    for (const { kind, id, issuer } of methods) {
      const details = { ...DETAILS[kind](id), ...(issuer === undefined ? {} : { issuer }), reason: 'recovery' };
      await this.audit.write(manager, { action: ACTIONS[kind], actor_id: userId, subject_id: userId, details });
    }
  }
}

const toMethod = (kind: SignInMethod['kind'], id: string, addedAt: Date, lastUsedAt: Date | null): SignInMethod => ({
  kind,
  id,
  addedAt,
  lastUsedAt,
});

const ACTIONS = {
  passkey: 'passkey.removed',
  identity: 'identity.unlinked',
  two_factor: 'two_step.disabled',
} as const;

/** As in the events that the routes write. */
const DETAILS = {
  passkey: (id: string) => ({ id }),
  identity: (identity_id: string) => ({ identity_id }),
  two_factor: () => ({}),
};
