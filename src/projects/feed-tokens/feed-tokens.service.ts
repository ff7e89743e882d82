import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { PasswordChangesService } from '../../auth/passwords/password-changes.service.js';
import { ReauthenticationService } from '../../auth/reauthentication.service.js';
import { Clock } from '../../common/clock.provider.js';
import { newToken } from '../../common/keys/encryption.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { rightsOf } from '../../permissions/permissions.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { FeedToken } from './feed-token.entity.js';

const MAX_TOKENS = 20;
const TOKEN = /^mft_[\w-]{43}$/;

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Whether a text has the form of a feed token. */
export const isFeedToken = (text: string): boolean => TOKEN.test(text);

/** The user of a token. */
type FeedTokenUser = Pick<Caller, 'id' | 'permissions' | 'early_access_days'> & { feed_token_id: string };

/** Tokens for feed readers and comic readers, which cannot refresh a session. They allow reading only. */
@Injectable()
export class FeedTokensService {
  constructor(
    @InjectRepository(FeedToken) private readonly tokens: Repository<FeedToken>,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
    private readonly reauthentication: ReauthenticationService,
    passwordChanges: PasswordChangesService,
  ) {
    passwordChanges.onReplaced((manager, userId) => this.removeAll(manager, userId));
  }

  /** The caller's tokens, oldest first. */
  list(caller: Caller): Promise<FeedToken[]> {
    return this.tokens.find({ where: { user_id: caller.id }, order: { id: 'ASC' } });
  }

  /** Creates a token, which outlives the session. Throws `too_many_feed_tokens`, `invalid_token`. */
  create(caller: Caller, name: string): Promise<{ row: FeedToken; token: string }> {
    const token = `mft_${newToken()}`;
    return this.tokens.manager.transaction(async (manager) => {
      await this.users.lockForUpdate(manager, caller.id); // requests at once must not exceed the limit
      await this.reauthentication.assertSession(manager, caller); // a new password may have ended it since
      if ((await manager.countBy(FeedToken, { user_id: caller.id })) >= MAX_TOKENS) {
        throw new Problem('too_many_feed_tokens');
      }
      const row = { id: uuidv7(), user_id: caller.id, name, created_at: this.clock.date() };
      await manager.insert(FeedToken, { ...row, token_hash: hashOf(token) });
      await this.audit.write(manager, {
        action: 'feed_token.created',
        ...actorOf(caller),
        subject_id: caller.id,
        details: { feed_token_id: row.id },
      });
      return { row: row as FeedToken, token };
    });
  }

  /** Revokes a token of the caller. Throws `feed_token_not_found`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.tokens.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(FeedToken, { id, user_id: caller.id });
      if (affected === 0) throw new Problem('feed_token_not_found');
      await this.audit.write(manager, {
        action: 'feed_token.removed',
        ...actorOf(caller),
        subject_id: caller.id,
        details: { feed_token_id: id },
      });
    });
  }

  /** Revokes all tokens of a user who has a new password. */
  private async removeAll(manager: EntityManager, userId: string): Promise<void> {
    const sql = 'delete from feed_tokens where user_id = $1 returning id';
    const removed = await returningRows<Pick<FeedToken, 'id'>>(manager, sql, [userId]);
    if (removed.length === 0) return;
    const entries = removed.map(({ id: feed_token_id }) => ({
      action: 'feed_token.removed' as const,
      subject_id: userId,
      details: { feed_token_id, reason: 'new_password' },
    }));
    await this.audit.writeAll(manager, entries);
  }

  /** The user of a token with their rights as of now; null for a token that is not valid, and for a deactivated user. */
  async findUser(token: string): Promise<FeedTokenUser | null> {
    return isFeedToken(token) ? this.findUserOf(await this.tokens.findOneBy({ token_hash: hashOf(token) })) : null;
  }

  /** Like `findUser`, by the id of the token. */
  async findUserById(id: string): Promise<FeedTokenUser | null> {
    return this.findUserOf(await this.tokens.findOneBy({ id }));
  }

  private async findUserOf(token: FeedToken | null): Promise<FeedTokenUser | null> {
    if (!token) return null;
    const profile = await this.users.find(token.user_id);
    return profile?.is_active ? { id: profile.id, ...rightsOf(profile.groups), feed_token_id: token.id } : null;
  }
}
