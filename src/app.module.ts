import { type DynamicModule, Module } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ClockModule } from './common/clock.module.js';
import { Config } from './config.js';
import { DatabaseModule } from './database/database.module.js';
import { GroupsModule } from './groups/groups.module.js';
import { HealthModule } from './health/health.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { PermissionsModule } from './permissions/permissions.module.js';
import { UsersModule } from './users/users.module.js';

/** The table of contents. */
@Module({
  imports: [
    ClockModule,
    HealthModule,
    LimitsModule,
    PermissionsModule,
    AuditModule,
    UsersModule,
    GroupsModule,
    AuthModule,
  ],
})
export class AppModule {
  /** The application with these settings, on this database; both can be injected anywhere. */
  static with(config: Config, dataSource: DataSource): DynamicModule {
    return {
      module: AppModule,
      global: true,
      imports: [DatabaseModule.of(dataSource)],
      providers: [{ provide: Config, useValue: config }],
      exports: [Config],
    };
  }
}
