import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/audit.module.js';
import { MailModule } from '../../mail/mail.module.js';
import { UsersModule } from '../../users/users.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { ExpiredPasswordResetsWorker } from './expired-password-resets.worker.js';
import { PasswordChangesService } from './password-changes.service.js';
import { PasswordResetsController } from './password-resets.controller.js';
import { PasswordsModule } from './passwords.module.js';
import { PasswordResetsService } from './password-resets.service.js';

/** Password resets, and the replacement of passwords. */
@Module({
  imports: [AuditModule, SessionsModule, MailModule, PasswordsModule, RecoveryModule, UsersModule],
  controllers: [PasswordResetsController],
  providers: [PasswordResetsService, PasswordChangesService, ExpiredPasswordResetsWorker],
  exports: [PasswordResetsService, PasswordChangesService],
})
export class PasswordResetsModule {}
