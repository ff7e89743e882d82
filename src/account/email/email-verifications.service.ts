import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager, MoreThan } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { type Claimant, ReauthenticationService } from '../../auth/reauthentication.service.js';
import type { VerifiedCredential } from '../../auth/verified-credential.js';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey, keyedHash, newToken } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { MAILS } from '../../mail/mail-templates.js';
import { MailsService } from '../../mail/mails.service.js';
import type { Caller } from '../../users/caller.js';
import type { User } from '../../users/user.entity.js';
import { UsersService } from '../../users/users.service.js';
import { EmailChangesService } from './email-changes.service.js';
import { EmailVerification } from './email-verification.entity.js';

/** The proof that the holder of a link owns the account: a session or the password of the account. */
export interface AccountProof {
  caller?: Caller | undefined;
  password?: string | undefined;
}

/**
 * Verifies that users receive mail at an address, by a link that is mailed to it. The link proves access to the mailbox only,
 * because a stranger may have entered the address. Verifying needs a session or the password of the account, too; without
 * them, the link can only remove the address.
 */
@Injectable()
export class EmailVerificationsService {
  private readonly key: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly changes: EmailChangesService,
    private readonly reauthentication: ReauthenticationService,
    private readonly mails: MailsService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'email verification tokens');
  }

  /**
   * Mails a verification link for the user's address, or for the new one of a pending change, in a transaction that has
   * the user's row locked. Earlier links stop working. An address that another user has verified gets a mail about that
   * instead. Does nothing without an address, or when the address has been sent the maximum of mails within the hour.
   */
  async send(manager: EntityManager, id: string, email: string | null): Promise<void> {
    if (email === null) return;
    const token = newToken();
    const link = `${this.config.publicUrl}/api/email-verifications/${token}`;
    const isTaken = await this.users.isVerifiedByOther(manager, id, email);
    const isMailed = isTaken
      ? await this.mails.enqueue(manager, { kind: 'email_taken', to: email, values: this.mails.securityContext() })
      : await this.mails.enqueue(manager, { kind: 'email_verification', to: email, values: { link } });
    if (!isMailed) return;
    const expires_at = new Date(this.clock.now() + MAILS.email_verification.lifetime);
    // Stored for a taken address, too: with the same statements, the response takes the same time.
    const verification = { user_id: id, token_hash: keyedHash(this.key, token), email, expires_at };
    await manager.upsert(EmailVerification, verification, ['user_id']);
  }

  /** Mails the caller a new link. Does nothing if the address is missing, or verified without a pending change. */
  async resend(caller: Caller): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const user = await this.users.lockForUpdate(manager, caller.id);
      const unverified = user.email_verified_at === null ? user.email : null;
      await this.send(manager, user.id, user.pending_email ?? unverified);
    });
  }

  /**
   * Verifies the address to which the link was mailed, and makes it the user's if a change is pending. Throws
   * `invalid_link`, `account_proof_required`, `wrong_password`, `email_taken`, `rate_limited`, `busy`.
   */
  async verify(token: string, proof: AccountProof): Promise<void> {
    const verification = await this.get(token);
    const { claimant, credential } = await this.prove(verification.user_id, proof);
    await this.dataSource.transaction(async (manager) => {
      const { user, email } = await this.take(manager, verification);
      if (credential) await this.reauthentication.assertStillValid(manager, claimant, credential);
      else await this.reauthentication.assertSession(manager, proof.caller!);
      if (email === user.email) await this.setVerified(manager, user);
      else await this.changes.replace(manager, user, email);
    });
  }

  /**
   * "I did not register this account": removes the unverified address to which the link was mailed, or the pending change
   * to it. Throws `invalid_link`.
   */
  async disown(token: string): Promise<void> {
    const verification = await this.get(token);
    await this.dataSource.transaction(async (manager) => {
      const { user, email } = await this.take(manager, verification);
      if (email === user.email) return this.changes.disown(manager, user);
      await this.users.update(manager, user.id, { pending_email: null });
      await this.audit.write(manager, { action: 'user.email_disowned', subject_id: user.id });
    });
  }

  /** Throws `invalid_link`. */
  private async get(token: string): Promise<EmailVerification> {
    const unexpired = { token_hash: keyedHash(this.key, token), expires_at: MoreThan(this.clock.date()) };
    const verification = await this.dataSource.manager.findOneBy(EmailVerification, unexpired);
    if (!verification) throw new Problem('invalid_link');
    return verification;
  }

  /** Throws `account_proof_required`, `wrong_password`, `rate_limited`, `busy`. */
  private async prove(
    id: string,
    { caller, password }: AccountProof,
  ): Promise<{ claimant: Claimant; credential?: VerifiedCredential }> {
    if (caller?.id === id) return { claimant: caller };
    if (password === undefined) throw new Problem('account_proof_required');
    return { claimant: { id }, credential: await this.reauthentication.verifyPassword({ id }, password) };
  }

  /**
   * Uses the link up, and returns its user, locked, and its address. A change of the address locks the user before the
   * link, too: afterwards the link may be used or removed, or mailed to an address that is no longer the user's. Throws
   * `invalid_link`.
   */
  private async take(
    manager: EntityManager,
    { user_id, token_hash, ...verification }: EmailVerification,
  ): Promise<{ user: User; email: string }> {
    const user = await this.users.findLocked(manager, { id: user_id });
    const { affected } = await manager.delete(EmailVerification, { user_id, token_hash });
    if (!user?.is_active || affected !== 1) throw new Problem('invalid_link');
    const email = verification.email ?? user.email;
    const isOpen = email === user.pending_email || (email === user.email && user.email_verified_at === null);
    if (email === null || !isOpen) throw new Problem('invalid_link');
    return { user, email };
  }

  private async setVerified(manager: EntityManager, { id }: User): Promise<void> {
    await this.users.setEmailVerified(manager, id);
    await this.audit.write(manager, { action: 'user.email_verified', actor_id: id, subject_id: id });
  }
}
