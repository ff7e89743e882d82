import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { Config } from '../config/config.js';
import { TwoFactorModule } from './two-factor/two-factor.module.js';
import { User } from '../users/user.entity.js';
import { MailModule } from '../mail/mail.module.js';
import { UsersModule } from '../users/users.module.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { AuthenticatorService } from './authenticator.service.js';
import { JwksController } from './tokens/jwks.controller.js';
import { SigningKeys } from './tokens/signing-keys.provider.js';
import { SessionMailsService } from './sessions/session-mails.service.js';
import { Session } from './sessions/session.entity.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionRevocationsService } from './sessions/session-revocations.service.js';
import { SessionsService } from './sessions/sessions.service.js';
import { SignInService } from './sessions/sign-in.service.js';
import { ALGORITHM, secretKeyOf } from './tokens/secret-key.js';
import { UserSessionsController } from './sessions/user-sessions.controller.js';
import { TokensService } from './tokens/tokens.service.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([Session, User]),
    AuditModule,
    MailModule,
    UsersModule,
    TwoFactorModule,
    JwtModule.registerAsync({
      inject: [Config],
      useFactory: (config: Config) => ({
        secret: secretKeyOf(config),
        signOptions: { algorithm: ALGORITHM },
      }),
    }),
  ],
  controllers: [SessionsController, UserSessionsController, JwksController],
  providers: [
    SessionsService,
    SessionMailsService,
    SignInService,
    SessionRevocationsService,
    SigningKeys,
    TokensService,
    AuthenticatorService,
    { provide: APP_GUARD, useClass: JwtAuthGuard },
  ],
  exports: [SessionsService, SignInService, SessionRevocationsService, AuthenticatorService, TokensService],
})
export class AuthModule {}
