import { type DynamicModule, Module } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ChatModule } from './chat/chat.module.js';
import { CompatModule } from './compat/compat.module.js';
import { AvatarsModule } from './avatars/avatars.module.js';
import { ClockModule } from './common/clock.module.js';
import { Config } from './config.js';
import { DatabaseModule } from './database/database.module.js';
import { GroupsModule } from './groups/groups.module.js';
import { HealthModule } from './health/health.module.js';
import { IdentitiesModule } from './identities/identities.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { MailModule } from './mail/mail.module.js';
import { PermissionsModule } from './permissions/permissions.module.js';
import { RecoveryModule } from './recovery/recovery.module.js';
import { PasskeysModule } from './passkeys/passkeys.module.js';
import { TwoStepModule } from './two-step/two-step.module.js';
import { UsersModule } from './users/users.module.js';

/** The table of contents. */
const FEATURES = [
  ClockModule,
  HealthModule,
  MailModule,
  LimitsModule,
  PermissionsModule,
  AuditModule,
  UsersModule,
  GroupsModule,
  TwoStepModule,
  AuthModule,
  IdentitiesModule,
  RecoveryModule,
  PasskeysModule,
  AvatarsModule,
  ChatModule,
];

@Module({})
export class AppModule {
  /** The application with these settings, on this database; both can be injected anywhere. */
  static with(config: Config, dataSource: DataSource): DynamicModule {
    const compat = config.COMPAT === 'on' ? [CompatModule] : []; // first: "users/login" is no id of a user
    return {
      module: AppModule,
      global: true,
      imports: [DatabaseModule.of(dataSource), ...compat, ...FEATURES],
      providers: [{ provide: Config, useValue: config }],
      exports: [Config],
    };
  }
}
