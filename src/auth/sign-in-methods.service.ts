import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Problem } from '../http/problems/problem.js';
import { UsersService } from '../users/users.service.js';
import { IdentityProvider } from './external-identities/identity-provider.js';

/**
 * A password, a passkey, or an identity of an issuer that is still configured. One statement counts them, so that the result
 * is consistent.
 */
const HAS_METHOD = `select password_hash is not null
    or exists (select from passkeys where user_id = $1)
    or exists (select from external_identities where user_id = $1 and issuer = any ($2)) as has_method
  from users where id = $1`;

/** Keeps at least one method by which a user can sign in. */
@Injectable()
export class SignInMethodsService {
  constructor(
    private readonly users: UsersService,
    private readonly provider: IdentityProvider,
  ) {}

  /** Locks the user, so that changes of sign-in methods run one after the other. Throws `user_not_found`. */
  async lock(manager: EntityManager, userId: string): Promise<void> {
    await this.users.lockForUpdate(manager, userId);
  }

  /** Call it after removing a method, in the same transaction as `lock`. Throws `last_way_to_sign_in`. */
  async assertNotLast(manager: EntityManager, userId: string): Promise<void> {
    const [row] = await manager.query<{ has_method: boolean }[]>(HAS_METHOD, [userId, this.provider.issuers]);
    if (!row?.has_method) throw new Problem('last_way_to_sign_in');
  }
}
