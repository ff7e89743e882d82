import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthenticatorService } from './authenticator.service.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { PasswordsModule } from './passwords/passwords.module.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SignInService } from './sign-in.service.js';
import { TwoFactorModule } from './two-factor/two-factor.module.js';

@Module({
  imports: [AuditModule, PasswordsModule, SessionsModule, TwoFactorModule, UsersModule],
  controllers: [SessionsController],
  providers: [SignInService, AuthenticatorService, { provide: APP_GUARD, useClass: JwtAuthGuard }],
  exports: [SessionsModule, SignInService, AuthenticatorService],
})
export class AuthModule {}
