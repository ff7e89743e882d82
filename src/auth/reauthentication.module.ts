import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { PasswordsModule } from './passwords/passwords.module.js';
import { ReauthenticationService } from './reauthentication.service.js';

/** Verifies that a request for a sensitive change comes from the user. */
@Module({
  imports: [AuditModule, PasswordsModule, UsersModule],
  providers: [ReauthenticationService],
  exports: [ReauthenticationService],
})
export class ReauthenticationModule {}
