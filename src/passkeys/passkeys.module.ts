import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { IdentitiesModule } from '../identities/identities.module.js';
import { UsersModule } from '../users/users.module.js';
import { PasskeyChallenge } from './passkey-challenge.entity.js';
import { PasskeyChallenges } from './passkey-challenges.js';
import { PasskeySessionsController } from './passkey-sessions.controller.js';
import { PasskeySignInService } from './passkey-sign-in.service.js';
import { Passkey } from './passkey.entity.js';
import { PasskeysController } from './passkeys.controller.js';
import { PasskeysService } from './passkeys.service.js';
import { RelyingParty } from './relying-party.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([Passkey, PasskeyChallenge]),
    AuditModule,
    AuthModule,
    IdentitiesModule,
    UsersModule,
  ],
  controllers: [PasskeysController, PasskeySessionsController],
  providers: [PasskeysService, PasskeySignInService, PasskeyChallenges, RelyingParty],
})
export class PasskeysModule {}
