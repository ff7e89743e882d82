import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { SessionsModule } from '../auth/sessions/sessions.module.js';
import { PasswordsModule } from '../auth/passwords/passwords.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import { UsersModule } from '../users/users.module.js';
import { UserAdministrationController } from './user-administration.controller.js';
import { UserAdministrationService } from './user-administration.service.js';

/** What administrators change about users. Import it after all modules with routes below `users/me`. */
@Module({
  imports: [AuditModule, SessionsModule, PasswordResetsModule, PasswordsModule, UsersModule],
  controllers: [UserAdministrationController],
  providers: [UserAdministrationService],
})
export class UserAdministrationModule {}
