import { Module } from '@nestjs/common';
import type { Pool } from 'pg';
import { Config } from '../config/config.js';
import { DedicatedConnectionService } from '../database/connections/dedicated-connection.service.js';
import { POOL } from '../database/connections/pool.js';
import type { BusDriver } from './bus-driver.js';
import { BusAgreementService } from './bus-agreement.service.js';
import { BUS_DRIVER, BusService } from './bus.service.js';
import { PostgresDriver } from './drivers/postgres-driver.js';
import { UserEventsService } from './user-events.service.js';

/** The client for Redis is loaded only where it is used. */
async function createDriver(
  config: Config,
  pool: Pool,
  connection: DedicatedConnectionService,
): Promise<BusDriver | null> {
  if (config.BUS === 'redis') {
    const { RedisDriver } = await import('./drivers/redis-driver.js');
    return new RedisDriver(config.REDIS_URL!, config.SECRET_KEY);
  }
  if (config.BUS === 'redis-cluster') {
    const { RedisClusterDriver } = await import('./drivers/redis-cluster-driver.js');
    return new RedisClusterDriver(config.REDIS_URL!.split(','), config.SECRET_KEY);
  }
  return config.BUS === 'postgres' ? new PostgresDriver(pool, connection) : null;
}

/** Messages between nodes. */
@Module({
  providers: [
    BusAgreementService,
    BusService,
    UserEventsService,
    { provide: BUS_DRIVER, inject: [Config, POOL, DedicatedConnectionService], useFactory: createDriver },
  ],
  exports: [BusService, UserEventsService],
})
export class BusModule {}
