import { type DynamicModule, Global, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { DedicatedConnectionService } from './connections/dedicated-connection.service.js';
import { clientConfig } from './connections/client-config.js';
import { PoolMetricsService } from './connections/pool-metrics.service.js';
import { PoolRenewalService } from './connections/pool-renewal.service.js';
import { DIRECT, POOL } from './connections/pool.js';
import type { DatabaseConnection } from '../config/database/database-connection.js';

/** Provides the data source, its pool (`POOL`) and the dedicated connection of this process. */
@Global()
@Module({})
export class DatabaseModule {
  /** Takes an initialized data source and destroys it when the application closes. `direct` is the way around its pooler. */
  static forRoot(dataSource: DataSource, direct?: DatabaseConnection): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => dataSource.options,
          dataSourceFactory: () => Promise.resolve(dataSource),
        }),
      ],
      providers: [
        {
          provide: POOL,
          inject: [getDataSourceToken()],
          useFactory: ({ driver }: DataSource): Pool => (driver as unknown as { master: Pool }).master,
        },
        {
          provide: DIRECT,
          inject: [POOL],
          useFactory: ({ options }: Pool) =>
            direct ? clientConfig(direct) : { ...options, password: options.password },
        },
        DedicatedConnectionService,
        PoolMetricsService,
        PoolRenewalService,
      ],
      exports: [POOL, DedicatedConnectionService, PoolRenewalService],
    };
  }
}
