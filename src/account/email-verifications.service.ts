import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
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

const KEEP = `insert into email_verifications (user_id, token_hash, expires_at) values ($1, $2, $3)
  on conflict (user_id) do update set token_hash = excluded.token_hash, expires_at = excluded.expires_at`;

/** Locks the user before the link, as a change of the address does: so that of the two one waits for the other. */
const FIND = `select u.id from users u join email_verifications v on v.user_id = u.id
  where v.token_hash = $1 and v.expires_at > $2 and u.is_active for update of u`;

/** Proves that an address is its user's own, by a link that is mailed to it. */
@Injectable()
export class EmailVerificationsService {
  private readonly key: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly mails: MailsService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'email verification tokens');
  }

  /** Mails a link, within a transaction that has the user's row locked. The link before stops working. */
  async send(manager: EntityManager, { id, email }: Pick<User, 'id' | 'email'>): Promise<void> {
    const token = newToken();
    const link = `${this.config.publicUrl}/api/email-verifications/${token}`;
    if (!(await this.mails.enqueue(manager, { kind: 'email_verification', to: email, values: { link } }))) return;
    const end = new Date(this.clock.now() + MAILS.email_verification.lifetime);
    await manager.query(KEEP, [id, keyedHash(this.key, token), end]);
  }

  /** Removes the link that was mailed to the user: it no longer works. */
  async remove(manager: EntityManager, userId: string): Promise<void> {
    await manager.delete(EmailVerification, { user_id: userId });
  }

  /** Mails the caller another link, unless there is nothing left to verify. */
  async resend(caller: Caller): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const [user] = await manager.query<Pick<User, 'id' | 'email'>[]>(
        'select id, email from users where id = $1 and email_verified_at is null for update',
        [caller.id],
      );
      if (user) await this.send(manager, user);
    });
  }

  /** As `verify`; raises `invalid_link` instead of answering false. */
  async assertVerified(token: string): Promise<void> {
    if (!(await this.verify(token))) throw new Problem('invalid_link');
  }

  /** Uses a link up. False when it is wrong, expired, used or replaced, or of an address that has changed. */
  async verify(token: string): Promise<boolean> {
    const hash = keyedHash(this.key, token);
    const now = this.clock.date();
    return this.dataSource.transaction(async (manager) => {
      const [user] = await manager.query<Pick<User, 'id'>[]>(FIND, [hash, now]);
      if (!user) return false;
      const used = 'delete from email_verifications where user_id = $1 and token_hash = $2 returning user_id';
      const [rows] = await manager.query<[unknown[], number]>(used, [user.id, hash]);
      if (rows.length === 0) return false;
      await manager.query('update users set email_verified_at = $2 where id = $1', [user.id, now]);
      await this.audit.write(manager, { action: 'user.email_verified', actor_id: user.id, subject_id: user.id });
      return true;
    });
  }
}
