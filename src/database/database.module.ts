import { type DynamicModule, Global, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';

/** The pool under TypeORM, for the few hot paths that send one prepared statement. */
export const POOL = Symbol('POOL');

/** Hands the application an opened database; closing the application closes it. */
@Global()
@Module({})
export class DatabaseModule {
  static of(dataSource: DataSource): DynamicModule {
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
      ],
      exports: [POOL],
    };
  }
}
