import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { ReauthenticationModule } from '../reauthentication.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../../users/users.module.js';
import { SecurityMailsModule } from '../security-mails/security-mails.module.js';
import { ExpiredTwoFactorChallengesWorker } from './expired-two-factor-challenges.worker.js';
import { TwoFactorSignInService } from './two-factor-sign-in.service.js';
import { TwoFactorVerificationService } from './two-factor-verification.service.js';
import { TwoFactor } from './two-factor.entity.js';
import { TwoFactorController } from './two-factor.controller.js';
import { TwoFactorSecrets } from './two-factor-secrets.provider.js';
import { TwoFactorService } from './two-factor.service.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([TwoFactor]),
    AuditModule,
    ReauthenticationModule,
    SecurityMailsModule,
    SessionsModule,
    UsersModule,
  ],
  controllers: [TwoFactorController],
  providers: [
    TwoFactorService,
    TwoFactorSignInService,
    TwoFactorVerificationService,
    TwoFactorSecrets,
    ExpiredTwoFactorChallengesWorker,
  ],
  exports: [TwoFactorService, TwoFactorSignInService],
})
export class TwoFactorModule {}
