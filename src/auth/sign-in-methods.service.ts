import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Problem } from '../http/problem.js';
import { IdentityProvider } from './external-identities/identity-provider.js';

const LOCK = 'select from users where id = $1 for update';

/** A password, a passkey, or an identity of an issuer that still counts. */
const IS_ONE_LEFT = `select password_hash is not null
    or exists (select from passkeys where user_id = $1)
    or exists (select from external_identities where user_id = $1 and issuer = any ($2)) as is_one_left
  from users where id = $1`;

/** What a user can sign in by, of which one always stays. */
@Injectable()
export class SignInMethodsService {
  constructor(private readonly provider: IdentityProvider) {}

  /** One change at a time per user, so that what is found still holds when it is acted on. */
  async lock(manager: EntityManager, userId: string): Promise<void> {
    await manager.query(LOCK, [userId]);
  }

  /** After a way has been removed under the lock. Raises `last_way_to_sign_in`. */
  async assertOneIsLeft(manager: EntityManager, userId: string): Promise<void> {
    const [row] = await manager.query<{ is_one_left: boolean }[]>(IS_ONE_LEFT, [userId, this.provider.issuers]);
    if (!row?.is_one_left) throw new Problem('last_way_to_sign_in');
  }
}
