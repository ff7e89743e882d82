import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BusModule } from '../bus/bus.module.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import { BackoffService } from './backoff.service.js';
import { QuotasService } from './quotas.service.js';
import { ExpiredCountersWorker } from './counters/expired-counters.worker.js';
import { RateLimitCounter } from './counters/rate-limit-counter.entity.js';
import { RateLimitCountersService } from './counters/rate-limit-counters.service.js';
import { RateLimitGuard, throttlerOptions } from './rate-limit.guard.js';
import { RateLimitMetricsService } from './rate-limit-metrics.service.js';
import { RateLimitStorageService } from './counters/rate-limit-storage.service.js';
import { RequestCountsService } from './counters/request-counts.service.js';

@Global()
@Module({
  imports: [
    BusModule,
    TypeOrmModule.forFeature([RateLimitCounter]),
    ThrottlerModule.forRootAsync({ inject: [RateLimitStorageService], useFactory: throttlerOptions }),
  ],
  providers: [
    RateLimitCountersService,
    ExpiredCountersWorker,
    RateLimitMetricsService,
    RateLimitStorageService,
    BackoffService,
    QuotasService,
    RequestCountsService,
    { provide: APP_GUARD, useClass: RateLimitGuard },
  ],
  exports: [BackoffService, QuotasService, RateLimitMetricsService, RateLimitStorageService],
})
export class RateLimitModule {
  constructor(registry: PersonalDataRegistryService) {
    const rate_limit_counters = { columns: { key: 'kept' as const }, file: null };
    registry.register({ module: 'rate-limit', tables: { rate_limit_counters } });
  }
}
