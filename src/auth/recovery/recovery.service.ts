import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import type { RecoveryReport } from '../../mail/mail-templates.js';
import { MailsService } from '../../mail/mails.service.js';
import type { User } from '../../users/user.entity.js';
import { PasswordSignIn } from './password-sign-in.entity.js';
import { MethodRemovalLinksService } from './method-removal-links.service.js';
import { RecoveredMethodsService } from './recovered-methods.service.js';
import { describeMethod, divideMethods, type SignInMethod } from './sign-in-method.js';

/** Removes what an intruder may have added to an account, when its owner resets the password by mail. */
@Injectable()
export class RecoveryService {
  constructor(
    private readonly methods: RecoveredMethodsService,
    private readonly links: MethodRemovalLinksService,
    private readonly mails: MailsService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /**
   * Removes the sign-in methods that were added lately, or all of them if the address was unverified: then the account may
   * not be the mailbox owner's. Call it before the reset changes the user, whose row must be locked. Returns the contents
   * of the mail about the reset.
   */
  async removeMethods(manager: EntityManager, user: User): Promise<RecoveryReport> {
    const methods = await this.methods.list(manager, user.id);
    const isFirstProof = user.email_verified_at === null;
    const { kept, removed } = isFirstProof
      ? { kept: [], removed: methods }
      : divideMethods(methods, await this.accountOf(manager, user), this.clock.now() - this.config.RECOVERY_QUARANTINE);
    await this.methods.remove(manager, user.id, removed);
    return {
      ...this.mails.securityContext(),
      isFirstProof,
      removed: removed.map(describeMethod),
      ...(await this.reportKept(manager, user.id, kept)),
    };
  }

  private async reportKept(manager: EntityManager, userId: string, kept: SignInMethod[]) {
    const removable = kept.filter(({ kind }) => kind !== 'two_factor');
    if (removable.length === 0) await this.links.remove(manager, userId);
    const link = removable.length === 0 ? undefined : await this.links.create(manager, userId);
    const isTwoFactorKept = removable.length < kept.length;
    return { kept: removable.map(describeMethod), link, isTwoFactorKept };
  }

  private async accountOf(manager: EntityManager, { id: user_id, created_at }: User) {
    const signIn = await manager.findOneBy(PasswordSignIn, { user_id });
    return { createdAt: created_at, lastPasswordSignIn: signIn?.last_at ?? null };
  }
}
