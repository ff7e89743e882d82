import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BackoffService } from './backoff.service.js';
import { QuotasService } from './quotas.service.js';
import { RateLimitCounter } from './rate-limit-counter.entity.js';
import { RateLimitCountersService } from './rate-limit-counters.service.js';
import { RateLimitGuard, throttlerOptions } from './rate-limit.guard.js';
import { RateLimitStorageService } from './rate-limit-storage.service.js';

@Global()
@Module({
  imports: [
    TypeOrmModule.forFeature([RateLimitCounter]),
    ThrottlerModule.forRootAsync({ inject: [RateLimitStorageService], useFactory: throttlerOptions }),
  ],
  providers: [
    RateLimitCountersService,
    RateLimitStorageService,
    BackoffService,
    QuotasService,
    { provide: APP_GUARD, useClass: RateLimitGuard },
  ],
  exports: [BackoffService, QuotasService, RateLimitStorageService],
})
export class RateLimitModule {}
