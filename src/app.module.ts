import { type DynamicModule, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { DataSource } from 'typeorm';
import { AccountModule } from './account/account.module.js';
import { UserAdministrationModule } from './account/user-administration.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ChatModule } from './chat/chat.module.js';
import { CompatModule } from './compat/compat.module.js';
import { AvatarsModule } from './avatars/avatars.module.js';
import { ClockModule } from './common/clock.module.js';
import { Config } from './config/config.js';
import type { DatabaseConnection } from './config/database/database-connection.js';
import { DatabaseModule } from './database/database.module.js';
import { GroupsModule } from './groups/groups.module.js';
import { HttpModule } from './http/http.module.js';
import { OriginGuard } from './http/origin.guard.js';
import { HealthModule } from './health/health.module.js';
import { ExternalIdentitiesModule } from './auth/external-identities/external-identities.module.js';
import { RateLimitModule } from './rate-limit/rate-limit.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { MailModule } from './mail/mail.module.js';
import { PersonalDataModule } from './personal-data/personal-data.module.js';
import { PermissionsModule } from './permissions/permissions.module.js';
import { PasswordResetsModule } from './auth/passwords/password-resets.module.js';
import { PasskeysModule } from './auth/passkeys/passkeys.module.js';
import { TwoFactorModule } from './auth/two-factor/two-factor.module.js';
import { VaccinationModule } from './vaccination/vaccination.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { UsersModule } from './users/users.module.js';

/** All features, in the order in which their routes are matched. */
const FEATURES = [
  ClockModule,
  HealthModule,
  MailModule,
  PermissionsModule,
  AuditModule,
  UsersModule,
  GroupsModule,
  TwoFactorModule,
  AuthModule,
  ExternalIdentitiesModule,
  PasswordResetsModule,
  PasskeysModule,
  AccountModule,
  AvatarsModule,
  ChatModule,
  VaccinationModule,
  ProjectsModule,
  UserAdministrationModule, // last: `users/:id` would match `users/me`
];

@Module({})
export class AppModule {
  /**
   * The application with this configuration on this database. Both can be injected everywhere. `direct` is the way around the
   * pooler, if the data source uses one.
   */
  static forRoot(config: Config, dataSource: DataSource, direct?: DatabaseConnection): DynamicModule {
    // First: `/users/:id` would match `/users/login`.
    const compat = config.COMPAT.length > 0 ? [CompatModule.forRoot(config.COMPAT)] : [];
    return {
      module: AppModule,
      global: true,
      // Global guards run in this order: origin (below), rate limit, body, then those of the features (authentication).
      imports: [
        MetricsModule,
        PersonalDataModule,
        RateLimitModule,
        HttpModule,
        DatabaseModule.forRoot(dataSource, direct),
        ...compat,
        ...FEATURES,
      ],
      providers: [
        { provide: Config, useValue: config },
        { provide: APP_GUARD, useClass: OriginGuard },
      ],
      exports: [Config],
    };
  }
}
