import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../auth.module.js';
import { GroupsModule } from '../../groups/groups.module.js';
import { UsersModule } from '../../users/users.module.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { ExternalAccountsService } from './external-accounts.service.js';
import { TokenExchangeController } from './token-exchange.controller.js';
import { ReauthenticationModule } from '../reauthentication.module.js';
import { SecurityMailsModule } from '../security-mails/security-mails.module.js';
import { AcceptedIssuer } from './accepted-issuer.entity.js';
import { AcceptedIssuersService } from './accepted-issuers.service.js';
import { ExternalIdentity } from './external-identity.entity.js';
import { ExternalIdentitiesController } from './external-identities.controller.js';
import { ExternalIdentitiesService } from './external-identities.service.js';
import { IdentityProvider, DisabledProvider } from './identity-provider.js';
import { OidcProvider } from './oidc-provider.js';
import { TrustedSubjectProvider } from './trusted-subject-provider.js';
import { SignInMethodsService } from '../sign-in-methods.service.js';

const PROVIDERS: Record<Config['EXTERNAL_IDENTITY'], (config: Config, clock: Clock) => IdentityProvider> = {
  off: () => new DisabledProvider(),
  oidc: (config, clock) => new OidcProvider(config, clock),
  'trusted-subject': (config) => new TrustedSubjectProvider(config),
};

@Module({
  imports: [
    TypeOrmModule.forFeature([ExternalIdentity, AcceptedIssuer]),
    AuditModule,
    AuthModule,
    GroupsModule,
    ReauthenticationModule,
    SecurityMailsModule,
    UsersModule,
  ],
  controllers: [TokenExchangeController, ExternalIdentitiesController],
  providers: [
    ExternalIdentitiesService,
    ExternalAccountsService,
    AcceptedIssuersService,
    SignInMethodsService,
    {
      provide: IdentityProvider,
      inject: [Config, Clock],
      useFactory: (config: Config, clock: Clock) => PROVIDERS[config.EXTERNAL_IDENTITY](config, clock),
    },
  ],
  exports: [ExternalIdentitiesService, SignInMethodsService],
})
export class ExternalIdentitiesModule {}
