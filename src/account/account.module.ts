import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { SecurityMailsModule } from '../auth/security-mails/security-mails.module.js';
import { SessionsModule } from '../auth/sessions/sessions.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import { PasswordsModule } from '../auth/passwords/passwords.module.js';
import { RecoveryModule } from '../auth/recovery/recovery.module.js';
import { ReauthenticationModule } from '../auth/reauthentication.module.js';
import { GroupsModule } from '../groups/groups.module.js';
import { MailModule } from '../mail/mail.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountController } from './account.controller.js';
import { AccountPersonalDataService } from './account-personal-data.service.js';
import { AccountService } from './account.service.js';
import { DataExportFilesService } from './exports/data-export-files.service.js';
import { DataExportFilesWorker } from './exports/data-export-files.worker.js';
import { DataExportRunsService } from './exports/data-export-runs.service.js';
import { DataExport } from './exports/data-export.entity.js';
import { DataExportsController } from './exports/data-exports.controller.js';
import { DataExportsService } from './exports/data-exports.service.js';
import { DataExportsWorker } from './exports/data-exports.worker.js';
import { OperatorService } from './operator.service.js';
import { EmailChangesService } from './email/email-changes.service.js';
import { EmailVerificationPagesController } from './email/email-verification-pages.controller.js';
import { EmailVerificationsController } from './email/email-verifications.controller.js';
import { EmailVerificationsService } from './email/email-verifications.service.js';
import { ExpiredEmailVerificationsWorker } from './email/expired-email-verifications.worker.js';
import { FirstAdministratorService } from './first-administrator.service.js';
import { ProfileService } from './profile.service.js';
import { RegistrationController } from './registration.controller.js';
import { RegistrationService } from './registration.service.js';

/**
 * Registration, e-mail verification, what users change about their own profile and credentials, copies of their data, account
 * deletion, and the first administrator.
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([DataExport]),
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
    StorageModule,
    UsersModule,
  ],
  controllers: [
    RegistrationController,
    AccountController,
    EmailVerificationsController,
    EmailVerificationPagesController,
    DataExportsController,
  ],
  providers: [
    AccountService,
    AccountPersonalDataService,
    DataExportsService,
    DataExportRunsService,
    DataExportFilesService,
    DataExportFilesWorker,
    DataExportsWorker,
    OperatorService,
    EmailChangesService,
    EmailVerificationsService,
    ExpiredEmailVerificationsWorker,
    FirstAdministratorService,
    ProfileService,
    RegistrationService,
  ],
  exports: [ProfileService, RegistrationService],
})
export class AccountModule {}
