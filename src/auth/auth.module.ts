import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { randomUUID } from 'node:crypto';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthPersonalDataService } from './auth-personal-data.service.js';
import { AuthenticatorService } from './authenticator.service.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { JwtStrategy } from './jwt.strategy.js';
import { PasswordsModule } from './passwords/passwords.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SignInController } from './sign-in.controller.js';
import { SignInService } from './sign-in.service.js';
import { SigningKeysModule } from './tokens/signing-keys.module.js';
import { TwoFactorModule } from './two-factor/two-factor.module.js';

@Module({
  imports: [
    AuditModule,
    PassportModule.registerAsync({ useFactory: () => ({ defaultStrategy: `jwt-${randomUUID()}` }) }), // see JwtStrategy
    PasswordsModule,
    SessionsModule,
    SigningKeysModule,
    TwoFactorModule,
    UsersModule,
  ],
  controllers: [SignInController],
  providers: [
    SignInService,
    AuthenticatorService,
    AuthPersonalDataService,
    JwtStrategy,
    { provide: APP_GUARD, useClass: JwtAuthGuard },
  ],
  exports: [SessionsModule, SignInService, AuthenticatorService],
})
export class AuthModule {}
