import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { SecurityMailsModule } from '../security-mails/security-mails.module.js';
import { UsersModule } from '../../users/users.module.js';
import { SigningKeysModule } from '../tokens/signing-keys.module.js';
import { SigningKeys } from '../tokens/signing-keys.provider.js';
import { TokensService } from '../tokens/tokens.service.js';
import { CookieSessionsService } from './cookie-sessions.service.js';
import { ExpiredSessionsWorker } from './expired-sessions.worker.js';
import { SessionMailsService } from './session-mails.service.js';
import { SessionRefreshService } from './session-refresh.service.js';
import { SessionRevocationsService } from './session-revocations.service.js';
import { Session } from './session.entity.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsService } from './sessions.service.js';
import { UserSessionsController } from './user-sessions.controller.js';

/** Sessions and their tokens. AuthModule has the ways to sign in. */
@Module({
  imports: [
    TypeOrmModule.forFeature([Session]),
    AuditModule,
    SecurityMailsModule,
    UsersModule,
    JwtModule.registerAsync({
      imports: [SigningKeysModule],
      inject: [SigningKeys],
      useFactory: ({ jwtOptions }: SigningKeys) => jwtOptions,
    }),
  ],
  controllers: [SessionsController, UserSessionsController],
  providers: [
    SessionsService,
    SessionRefreshService,
    CookieSessionsService,
    SessionMailsService,
    SessionRevocationsService,
    ExpiredSessionsWorker,
    TokensService,
  ],
  exports: [SessionsService, SessionRefreshService, SessionRevocationsService, TokensService],
})
export class SessionsModule {}
