import { Module } from '@nestjs/common';
import { MailModule } from '../../mail/mail.module.js';
import { UsersModule } from '../../users/users.module.js';
import { SecurityMailsService } from './security-mails.service.js';

/** Notices by mail about changes to an account. */
@Module({
  imports: [MailModule, UsersModule],
  providers: [SecurityMailsService],
  exports: [SecurityMailsService],
})
export class SecurityMailsModule {}
