import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { Clock } from '../common/clock.js';
import { Config } from '../config.js';
import { Accounts } from './accounts.js';
import { ExchangeController } from './exchange.controller.js';
import { UsersModule } from '../users/users.module.js';
import { ExternalIdentity } from './external-identity.entity.js';
import { IdentitiesController } from './identities.controller.js';
import { IdentitiesService } from './identities.service.js';
import { IdentityProvider, NoProvider } from './identity-provider.js';
import { OidcProviders } from './oidc-providers.js';
import { TrustedSubjects } from './trusted-subjects.js';
import { WaysToSignIn } from './ways-to-sign-in.js';

const PROVIDERS: Record<Config['EXTERNAL_IDENTITY'], (config: Config, clock: Clock) => IdentityProvider> = {
  off: () => new NoProvider(),
  oidc: (config, clock) => new OidcProviders(config, clock),
  'trusted-subject': (config) => new TrustedSubjects(config),
};

@Module({
  imports: [TypeOrmModule.forFeature([ExternalIdentity]), AuditModule, AuthModule, UsersModule],
  controllers: [ExchangeController, IdentitiesController],
  providers: [
    IdentitiesService,
    Accounts,
    WaysToSignIn,
    {
      provide: IdentityProvider,
      inject: [Config, Clock],
      useFactory: (config: Config, clock: Clock) => PROVIDERS[config.EXTERNAL_IDENTITY](config, clock),
    },
  ],
  exports: [IdentitiesService, WaysToSignIn],
})
export class IdentitiesModule {}
