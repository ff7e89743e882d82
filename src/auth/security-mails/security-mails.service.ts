import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { NoticeKind } from '../../mail/mail-templates.js';
import { MailsService } from '../../mail/mails.service.js';
import { UsersService } from '../../users/users.service.js';

/** Informs users by mail about changes to their account. Unverified addresses may belong to others and get no notice. */
@Injectable()
export class SecurityMailsService {
  constructor(
    private readonly mails: MailsService,
    private readonly users: UsersService,
  ) {}

  /** Enqueues a notice in the transaction that it reports. `device` comes from `deviceName`. */
  async send(manager: EntityManager, userId: string, kind: NoticeKind, device?: string): Promise<void> {
    const to = await this.users.findVerifiedEmail(manager, userId);
    await this.mails.enqueue(manager, { kind, to, values: this.mails.securityContext(device) });
  }
}
