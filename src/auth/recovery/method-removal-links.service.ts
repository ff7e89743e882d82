import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, MoreThan, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey, keyedHash, newToken } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { UsersService } from '../../users/users.service.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { MethodRemovalLink } from './method-removal-link.entity.js';
import { RecoveredMethodsService } from './recovered-methods.service.js';

const LIFETIME_MS = 7 * 86_400_000;

/**
 * Links that remove the passkeys and external identities which a recovery has kept. They leave two-factor authentication
 * on: a reader of the user's mails must not sign in without a code.
 */
@Injectable()
export class MethodRemovalLinksService {
  private readonly key: Buffer;

  constructor(
    @InjectRepository(MethodRemovalLink) private readonly links: Repository<MethodRemovalLink>,
    private readonly methods: RecoveredMethodsService,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly mails: SecurityMailsService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'method removal links');
  }

  /** Makes a link that replaces an earlier one of the user. */
  async create(manager: EntityManager, user_id: string): Promise<string> {
    const token = newToken();
    const created_at = this.clock.date();
    const expires_at = new Date(created_at.getTime() + LIFETIME_MS);
    const link = { user_id, token_hash: keyedHash(this.key, token), created_at, expires_at };
    await manager.upsert(MethodRemovalLink, link, ['user_id']);
    return `${this.config.publicUrl}/api/sign-in-method-removals/${token}`;
  }

  /** Removes the link of a user, if there is one. */
  async remove(manager: EntityManager, user_id: string): Promise<void> {
    await manager.delete(MethodRemovalLink, { user_id });
  }

  /** Removes the methods for which the link was made, and revokes all sessions. Throws `invalid_link`. */
  async redeem(token: string): Promise<void> {
    const valid = { token_hash: keyedHash(this.key, token), expires_at: MoreThan(this.clock.date()) };
    await this.links.manager.transaction(async (manager) => {
      const link = await manager.findOneBy(MethodRemovalLink, valid);
      if (!link) throw new Problem('invalid_link');
      await this.users.lockForUpdate(manager, link.user_id); // before the link, as a recovery does
      const { affected } = await manager.delete(MethodRemovalLink, valid);
      if (affected !== 1) throw new Problem('invalid_link');
      const methods = await this.methods.list(manager, link.user_id);
      const old = methods.filter(({ kind, addedAt }) => kind !== 'two_factor' && addedAt <= link.created_at);
      await this.methods.remove(manager, link.user_id, old);
      await this.sessions.revokeAll(manager, link.user_id);
      await this.mails.send(manager, link.user_id, 'methods_removed');
    });
  }
}
