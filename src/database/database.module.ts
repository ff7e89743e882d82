import { type DynamicModule, Global, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { DedicatedConnectionService } from './dedicated-connection.service.js';
import { POOL } from './pool.js';

/** Provides the data source, its pool (`POOL`) and the dedicated connection of this process. */
@Global()
@Module({})
export class DatabaseModule {
  /** Takes an initialized data source and destroys it when the application closes. */
  static forRoot(dataSource: DataSource): DynamicModule {
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
        DedicatedConnectionService,
      ],
      exports: [POOL, DedicatedConnectionService],
    };
  }
}
