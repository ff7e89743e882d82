import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { SecurityMailsModule } from '../auth/security-mails.module.js';
import { SessionsModule } from '../auth/sessions/sessions.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import { PasswordsModule } from '../auth/passwords/passwords.module.js';
import { RecoveryModule } from '../auth/recovery/recovery.module.js';
import { ReauthenticationModule } from '../auth/reauthentication.module.js';
import { GroupsModule } from '../groups/groups.module.js';
import { MailModule } from '../mail/mail.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountController } from './account.controller.js';
import { AccountService } from './account.service.js';
import { AdministratorsService } from './administrators.service.js';
import { EmailChangesService } from './email/email-changes.service.js';
import { EmailVerificationPagesController } from './email/email-verification-pages.controller.js';
import { EmailVerificationsController } from './email/email-verifications.controller.js';
import { EmailVerificationsService } from './email/email-verifications.service.js';
import { FirstAdministratorService } from './first-administrator.service.js';
import { ProfileService } from './profile.service.js';
import { RegistrationController } from './registration.controller.js';
import { RegistrationService } from './registration.service.js';

/**
 * Registration, e-mail verification, what users change about their own profile and credentials, account deletion, and the
 * first administrator.
 */
@Module({
  imports: [
    AuditModule,
    AuthModule,
    SecurityMailsModule,
    SessionsModule,
    GroupsModule,
    MailModule,
    PasswordResetsModule,
    PasswordsModule,
    RecoveryModule,
    ReauthenticationModule,
    UsersModule,
  ],
  controllers: [
    RegistrationController,
    AccountController,
    EmailVerificationsController,
    EmailVerificationPagesController,
  ],
  providers: [
    AccountService,
    AdministratorsService,
    EmailChangesService,
    EmailVerificationsService,
    FirstAdministratorService,
    ProfileService,
    RegistrationService,
  ],
  exports: [ProfileService, RegistrationService],
})
export class AccountModule {}
