import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { Config } from '../../config/config.js';
import { MailModule } from '../../mail/mail.module.js';
import { UsersModule } from '../../users/users.module.js';
import { JwksController } from '../tokens/jwks.controller.js';
import { ALGORITHM, secretKeyOf } from '../tokens/secret-key.js';
import { SigningKeys } from '../tokens/signing-keys.provider.js';
import { TokensService } from '../tokens/tokens.service.js';
import { SessionMailsService } from './session-mails.service.js';
import { SessionRefreshService } from './session-refresh.service.js';
import { SessionRevocationsService } from './session-revocations.service.js';
import { Session } from './session.entity.js';
import { SessionsService } from './sessions.service.js';
import { UserSessionsController } from './user-sessions.controller.js';

/** Sessions and their tokens. Knows no way to sign in; AuthModule has those. */
@Module({
  imports: [
    TypeOrmModule.forFeature([Session]),
    AuditModule,
    MailModule,
    UsersModule,
    JwtModule.registerAsync({
      inject: [Config],
      useFactory: (config: Config) => ({
        secret: secretKeyOf(config),
        signOptions: { algorithm: ALGORITHM },
      }),
    }),
  ],
  controllers: [UserSessionsController, JwksController],
  providers: [
    SessionsService,
    SessionRefreshService,
    SessionMailsService,
    SessionRevocationsService,
    SigningKeys,
    TokensService,
  ],
  exports: [SessionsService, SessionRefreshService, SessionRevocationsService, TokensService],
})
export class SessionsModule {}
