import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../auth.module.js';
import { ExternalIdentitiesModule } from '../external-identities/external-identities.module.js';
import { UsersModule } from '../../users/users.module.js';
import { ReauthenticationModule } from '../reauthentication.module.js';
import { SecurityMailsModule } from '../security-mails/security-mails.module.js';
import { ExpiredPasskeyChallengesWorker } from './expired-passkey-challenges.worker.js';
import { PasskeyChallenge } from './passkey-challenge.entity.js';
import { PasskeyChallengesService } from './passkey-challenges.service.js';
import { PasskeySessionsController } from './passkey-sessions.controller.js';
import { PasskeySignInService } from './passkey-sign-in.service.js';
import { Passkey } from './passkey.entity.js';
import { PasskeysController } from './passkeys.controller.js';
import { PasskeysService } from './passkeys.service.js';
import { RelyingParty } from './relying-party.provider.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([Passkey, PasskeyChallenge]),
    AuditModule,
    AuthModule,
    ExternalIdentitiesModule,
    ReauthenticationModule,
    SecurityMailsModule,
    UsersModule,
  ],
  controllers: [PasskeysController, PasskeySessionsController],
  providers: [
    PasskeysService,
    PasskeySignInService,
    PasskeyChallengesService,
    ExpiredPasskeyChallengesWorker,
    RelyingParty,
  ],
})
export class PasskeysModule {}
