import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { Config } from '../config.js';
import { TwoStepModule } from '../two-step/two-step.module.js';
import { User } from '../users/user.entity.js';
import { MailModule } from '../mail/mail.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccessGuard } from './access.guard.js';
import { Authenticator } from './authenticator.js';
import { JwksController } from './jwks.controller.js';
import { Keyring } from './keyring.js';
import { SessionNotices } from './session-notices.js';
import { Session } from './session.entity.js';
import { SessionsController } from './sessions.controller.js';
import { SessionEndings } from './session-endings.js';
import { SessionsService } from './sessions.service.js';
import { SignInService } from './sign-in.service.js';
import { ALGORITHM, signingKey } from './signing-key.js';
import { UserSessionsController } from './user-sessions.controller.js';
import { Tokens } from './tokens.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([Session, User]),
    AuditModule,
    MailModule,
    UsersModule,
    TwoStepModule,
    JwtModule.registerAsync({
      inject: [Config],
      useFactory: (config: Config) => ({
        secret: signingKey(config),
        signOptions: { algorithm: ALGORITHM },
      }),
    }),
  ],
  controllers: [SessionsController, UserSessionsController, JwksController],
  providers: [
    SessionsService,
    SessionNotices,
    SignInService,
    SessionEndings,
    Keyring,
    Tokens,
    Authenticator,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [SessionsService, SignInService, SessionEndings, Authenticator, Tokens],
})
export class AuthModule {}
