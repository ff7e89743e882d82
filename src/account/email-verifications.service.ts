import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager, MoreThan } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { Problem } from '../http/problem.js';
import { deriveKey, keyedHash, newToken } from '../common/encryption.js';
import { Config } from '../config/config.js';
import { MAILS } from '../mail/mail-templates.js';
import { MailsService } from '../mail/mails.service.js';
import { EmailVerification } from './email-verification.entity.js';
import type { Caller } from '../users/caller.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';

/** Verifies that users receive mail at their e-mail address, by a link that is mailed to it. */
@Injectable()
export class EmailVerificationsService {
  private readonly key: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly mails: MailsService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'email verification tokens');
  }

  /**
   * Mails a verification link in a transaction that has the user's row locked; earlier links stop working. Does nothing
   * without an address, or when the address has been sent the maximum number of links within the hour.
   */
  async send(manager: EntityManager, { id, email }: Pick<User, 'id' | 'email'>): Promise<void> {
    const token = newToken();
    const link = `${this.config.publicUrl}/api/email-verifications/${token}`;
    if (!(await this.mails.enqueue(manager, { kind: 'email_verification', to: email, values: { link } }))) return;
    const expires_at = new Date(this.clock.now() + MAILS.email_verification.lifetime);
    const verification = { user_id: id, token_hash: keyedHash(this.key, token), expires_at };
    await manager.upsert(EmailVerification, verification, ['user_id']);
  }

  /** Removes the link that was mailed to the user: it no longer works. */
  async remove(manager: EntityManager, userId: string): Promise<void> {
    await manager.delete(EmailVerification, { user_id: userId });
  }

  /** Mails the caller a new link. Does nothing if the address is verified or missing. */
  async resend(caller: Caller): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const user = await this.users.findLocked(manager, { id: caller.id });
      if (user && user.email_verified_at === null) await this.send(manager, user);
    });
  }

  /** Verifies an address like `verify`. Throws `invalid_link` instead of returning false. */
  async assertVerified(token: string): Promise<void> {
    if (!(await this.verify(token))) throw new Problem('invalid_link');
  }

  /**
   * Verifies the address to which the link with this token was mailed. False if the link is wrong, expired, used or
   * replaced, if the address has changed, or if the user is deactivated.
   */
  verify(token: string): Promise<boolean> {
    const token_hash = keyedHash(this.key, token);
    return this.dataSource.transaction(async (manager) => {
      const notExpired = { token_hash, expires_at: MoreThan(this.clock.date()) };
      const verification = await manager.findOneBy(EmailVerification, notExpired);
      if (!verification) return false;
      // A change of the address locks the user before the link, too. Afterwards the link may be used or removed.
      const user = await this.users.findLocked(manager, { id: verification.user_id });
      if (!user?.is_active) return false;
      const { affected } = await manager.delete(EmailVerification, { user_id: user.id, token_hash });
      if (affected !== 1) return false;
      await this.users.setEmailVerified(manager, user.id);
      await this.audit.write(manager, { action: 'user.email_verified', actor_id: user.id, subject_id: user.id });
      return true;
    });
  }
}
